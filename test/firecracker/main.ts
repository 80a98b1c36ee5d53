// Runs the tests of the Firecracker driver, and those of flintlock with real machines that do not need QEMU, against a real
// Firecracker (FIRECRACKER_BIN) and its jailer (beside it, or JAILER_BIN), in an emulated machine with KVM. With
// FIRECRACKER_OPENAPI every request is checked against that description of the API.
//   FIRECRACKER_BIN=/path/to/firecracker TVM_KERNEL=/path/to/vmlinux npm run test:firecracker [-- PATH.vm.test.ts …]
import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { ensurePager } from '@tvm/flintlock/vmm/firecracker/pager.ts';
import { makeCache } from '@tvm/images/cache.ts';
import { makeAgents } from '@tvm/images/kernel/agent.ts';
import { makeBootFilesMaker } from '@tvm/images/kernel/boot-files.ts';
import { ensureCloudKernel } from '@tvm/images/kernel/cloud-kernel.ts';
import { guestModules } from '@tvm/images/kernel/modules.ts';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';
import { readConfig } from '../config.ts';
import { startOuterMachine } from './outer-machine.ts';

/** For networks of machines, and for the test's own internet. */
const networkModules = [
  'veth',
  'nf_tables',
  'nft_ct',
  'nft_chain_nat',
  'nft_nat',
  'nft_masq',
  'nft_limit',
  'nft_connlimit',
];
const outerKernel = {
  folder: 'cloud-kvm-networks',
  modules: [...guestModules, 'kvm_amd', 'tun', 'loop', ...networkModules],
};
/** Programs that the root of the outer machine lacks, with the libraries that they load. */
const tools = ['/usr/sbin/ip', '/usr/sbin/nft'];
/** Snapshots of the tests are in its memory too. */
const outerMemoryMiB = 6144;
/** What of the checkout the tests need. */
const parts = ['api', 'kit', 'images', 'flintlock', 'guest', 'package.json', 'tsconfig.json'];
/** Large packages that they do not. */
const notNeeded = [
  '@biomejs',
  '@typescript',
  'typescript',
  '@kubernetes',
  '@octokit',
  '@modelcontextprotocol',
  '@esbuild',
];

const allTests = [
  'flintlock/vmm/firecracker/driver.firecracker.test.ts',
  ...['network/egress', 'disks/disks', 'machines/suspension', 'confinement/limits'].map(
    (name) => `flintlock/${name}.vm.test.ts`,
  ),
];

const chosen = process.argv.slice(2);
const tests = chosen.length > 0 ? chosen : allTests;
const config = readConfig();
const { firecracker, jailer, firecrackerApi, guestKernel } = config;
const say = (line: string) => console.error(line);
if (!firecracker || !jailer || !guestKernel) {
  say('Set FIRECRACKER_BIN to a Firecracker program and TVM_KERNEL to a built guest kernel (vvm image build-kernel).');
  process.exit(2);
}
const log = makeLogger('test', 'warn');
const cache = makeCache(config.cacheFolder);
const { signal } = new AbortController();
const images = makeImageStore({ cacheDir: config.cacheFolder, log, kernel: guestKernel });

say('preparing kernel, root and disks');
const agent = await makeAgents(cache, join(config.root, 'guest'))(say, signal);
const kernel = await ensureCloudKernel(cache, say, signal, outerKernel);
const boot = await makeBootFilesMaker(cache)(kernel, agent);
const root = await images.ensure('tvm/node', say);
await images.ensure('tvm/python', say);
await images.bootFiles(say);
await ensurePager(config.cacheFolder, say, signal);

await using scratch = await makeScratchFolder('firecracker-disk');
const disk = await makeDisk(scratch.path);
say('starting the outer machine');
await using machine = await startOuterMachine({ boot, disks: [root.path, disk], memoryMiB: outerMemoryMiB });
process.exitCode = await machine.run(`
  mount -t squashfs /dev/vdb /mnt
  mkdir -p /run/upper /run/work /run/all
  mount -t overlay overlay -o lowerdir=/mnt,upperdir=/run/upper,workdir=/run/work /run/all
  ls -l /dev/kvm
  cd /run/all/project
  mkdir /run/memory /run/machines
  mount -t tmpfs -o size=75% memory /run/memory
  truncate -s 4G /run/memory/machines.img
  mkfs.ext4 -q /run/memory/machines.img
  mount -o loop /run/memory/machines.img /run/machines
  export FIRECRACKER_BIN=/run/all/firecracker JAILER_BIN=/run/all/jailer TVM_KERNEL=/run/all/vmlinux TVM_CACHE_DIR=/run/all/cache
  export TVM_HOME=/run/machines/home TMPDIR=/run/machines
  if [ -e /run/all/firecracker.yaml ]; then export FIRECRACKER_OPENAPI=/run/all/firecracker.yaml; fi
  cp -n /run/all/tools/lib/* /usr/lib/x86_64-linux-gnu/
  cp /run/all/tools/bin/* /usr/sbin/
  export TVM_DRIVER=firecracker TVM_BOOT_TIMEOUT_SECONDS=180
  exec node_modules/node/bin/node --test --test-concurrency=1 --test-timeout=900000 ${tests.join(' ')}
`);

/** Everything that the tests read, as one disk. */
async function makeDisk(folder: string): Promise<string> {
  const content = join(folder, 'content');
  await mkdir(join(content, 'project/node_modules'), { recursive: true });
  const options = { recursive: true, verbatimSymlinks: true } as const;
  const isSource = (path: string) => basename(path) !== 'target';
  for (const part of parts) {
    await cp(join(config.root, part), join(content, 'project', part), { ...options, filter: isSource });
  }
  const modules = join(config.root, 'node_modules');
  const filter = (path: string) => !notNeeded.includes(relative(modules, path));
  await cp(modules, join(content, 'project/node_modules'), { ...options, filter });
  for (const part of ['agent', 'boot', 'images', 'pager']) {
    await cp(join(config.cacheFolder, part), join(content, 'cache', part), options);
  }
  const single = { firecracker, jailer, vmlinux: guestKernel, 'firecracker.yaml': firecrackerApi };
  for (const [name, path] of Object.entries(single)) {
    if (path) await cp(path, join(content, name), { dereference: true });
  }
  await copyTools(join(content, 'tools'));
  const disk = join(folder, 'disk.squashfs');
  await promisify(execFile)('mksquashfs', [content, disk, '-noI', '-noD', '-noF', '-noX', '-quiet', '-no-progress'], {
    maxBuffer: 1024 * 1024,
  });
  return disk;
}

async function copyTools(folder: string): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await mkdir(join(folder, 'lib'), { recursive: true });
  for (const tool of tools) {
    const { stdout } = await promisify(execFile)('ldd', [tool]);
    const libraries = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path = '']) => path);
    await cp(tool, join(folder, 'bin', basename(tool)), { dereference: true });
    for (const path of libraries) await cp(path, join(folder, 'lib', basename(path)), { dereference: true });
  }
}
