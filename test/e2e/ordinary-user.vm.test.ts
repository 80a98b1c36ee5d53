// The service of an ordinary user: images, machines and their sandbox without any right of root's. The user exists in a mount
// namespace of the test alone. Invariant: nothing is left, neither files of other owners nor processes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeImageStore } from '@tvm/images/store.ts';
import { tarArchive } from '@tvm/images/testing/tar-archive.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeScratchFolder, type ScratchFolder } from '../cluster/scratch-folder.ts';
import { readConfig } from '../config.ts';
import { processesOf, vmmOfBoot } from './host-facts.ts';
import { type Finished, startProgram } from './program.ts';
import { until } from './until.ts';

const user = { name: 'ordinary', id: 61_234, firstSubordinate: 1_700_000_000 };
const { root, cacheFolder, guestKernel } = readConfig();
/** Arguments: the folder of the test, the checkout, then the command. */
const become = `
folder=$1 checkout=$2
shift 2
mount -t overlay overlay -o "lowerdir=$folder/etc:/etc" /etc
mount --bind "$checkout" "$folder/checkout"
exec setpriv --reuid ${user.id} --regid ${user.id} --clear-groups "$@"
`;
let scratch: ScratchFolder;
const home = () => join(scratch.path, 'home');

before(async () => {
  scratch = await makeScratchFolder('ordinary-user');
  for (const folder of ['etc', 'checkout', 'home/.cache/tvm'])
    mkdirSync(join(scratch.path, folder), { recursive: true });
  const line = (file: string, text: string) => writeFileSync(join(scratch.path, 'etc', file), text);
  line('passwd', `${readFileSync('/etc/passwd', 'utf8')}${user.name}:x:${user.id}:${user.id}::${home()}:/bin/sh\n`);
  line('group', `${readFileSync('/etc/group', 'utf8')}${user.name}:x:${user.id}:\n`);
  for (const file of ['subuid', 'subgid']) line(file, `${user.name}:${user.firstSubordinate}:65536\n`);
  await seedCache();
  execFileSync('chown', ['-R', `${user.id}:${user.id}`, home()]);
  chmodSync(scratch.path, 0o755);
});

after(async () => {
  const { code, stderr } = await vvm('down', '--purge');
  await until('no process is left', () => processesOf(home()).length === 0, 15_000).catch(() => undefined);
  const left = processesOf(home());
  await scratch[Symbol.asyncDispose]();
  assert.equal(code, 0, stderr);
  assert.deepEqual(left, []);
});

/** Kernel and agent take minutes to make, and nobody's rights. */
async function seedCache(): Promise<void> {
  const images = makeImageStore({ cacheDir: cacheFolder, log: makeLogger('test', 'warn'), kernel: guestKernel });
  await images.bootFiles(() => {});
  for (const part of ['agent', 'boot', 'kernels']) {
    cpSync(join(cacheFolder, part), join(home(), '.cache/tvm', part), { recursive: true });
  }
}

function asUser(...command: string[]): Promise<Finished> {
  const any = '127.0.0.1:0';
  const listen = { TVM_APISERVER_LISTEN: any, TVM_LIME_LISTEN: any, TVM_METRICS_LISTEN: any, TVM_HEALTH_LISTEN: any };
  const env = { PATH: process.env.PATH, HOME: home(), ...listen };
  const args = ['--mount', '--', 'sh', '-euc', become, 'sh', scratch.path, root, ...command];
  return startProgram('unshare', args, { env, timeoutMs: 300_000 }).finished;
}

function vvm(...args: string[]): Promise<Finished> {
  const checkout = join(scratch.path, 'checkout');
  return asUser(join(checkout, 'node_modules/.bin/node'), join(checkout, 'cli/main.ts'), ...args);
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await vvm(...args);
  assert.equal(code, 0, `vvm ${args.join(' ')}: ${stderr.slice(-2000)}`);
  return stdout;
}

test('executes code, in an image that the user has made', async () => {
  assert.equal(await ok('execute', "print('Hello from Firecracker!')"), 'Hello from Firecracker!\n');
  assert.match(await ok('doctor'), /root: user 61234, with ids of its own/);
});

test('its VMMs have no rights, and namespaces of their own', async () => {
  await ok('create', 'demo');
  const bootId = (await ok('exec', 'demo', '--', 'cat', '/proc/sys/kernel/random/boot_id')).trim();
  const vmm = vmmOfBoot(scratch.path, bootId);
  assert.ok(vmm);
  const status = readFileSync(`/proc/${vmm.pid}/status`, 'utf8');
  for (const line of [`Uid:\t${user.id}\t${user.id}`, 'CapEff:\t0000000000000000', 'NoNewPrivs:\t1', 'Seccomp:\t2']) {
    assert.ok(status.includes(line), line);
  }
  for (const kind of ['user', 'mnt', 'pid', 'net', 'ipc']) {
    assert.notEqual(readlinkSync(`/proc/${vmm.pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind);
  }
  assert.ok(!existsSync(`/proc/${vmm.pid}/root/etc/passwd`));
  await ok('delete', 'demo');
});

test('what an image says of owners and modes is kept', async () => {
  const folder = join(home(), 'root');
  mkdirSync(join(folder, 'closed'), { recursive: true });
  writeFileSync(join(folder, 'closed/file'), '');
  execFileSync('chown', ['-R', '33:34', folder]);
  chmodSync(join(folder, 'closed'), 0o2700);
  const archive = join(home(), 'root.tar');
  execFileSync('tar', ['-cf', archive, '-C', folder, '.']);
  chownSync(archive, user.id, user.id);
  execFileSync('rm', ['-rf', folder]);
  await ok('image', 'build', archive, '-t', 'owned');
  const roots = join(home(), '.cache/tvm/images/roots');
  const listings = readdirSync(roots).map((name) =>
    execFileSync('unsquashfs', ['-lln', '-d', '', join(roots, name, 'root.squashfs'), 'closed'], { encoding: 'utf8' }),
  );
  assert.match(listings.join('\n'), /drwx--S--- 33\/34 .*\/closed\n/);
  assert.deepEqual(readdirSync(join(home(), '.cache/tvm/staging')), []);
});

test('what a maker that was killed has left goes, also when only its own ids may remove it', async () => {
  const left = join(home(), '.cache/tvm/staging/1-1.left');
  mkdirSync(join(left, 'closed'), { recursive: true });
  writeFileSync(join(left, 'closed/file'), '');
  for (const path of [left, join(home(), '.cache/tvm/staging')]) chownSync(path, user.id, user.id);
  chownSync(join(left, 'closed'), user.firstSubordinate + 98, user.firstSubordinate + 98);
  chmodSync(join(left, 'closed'), 0o700);
  await ok('image', 'build', join(home(), 'root.tar'), '-t', 'owned');
  await until('it is gone', () => !existsSync(left));
});

test('an archive that leads out of its folder writes nothing outside of it', async () => {
  const target = join(home(), 'outside');
  writeFileSync(
    join(home(), 'hostile.tar'),
    tarArchive([
      { name: 'link', type: '2', linkName: home() },
      { name: 'link/outside', content: 'x' },
      { name: `../../../../../..${target}`, content: 'x' },
    ]),
  );
  await vvm('image', 'build', join(home(), 'hostile.tar'), '-t', 'hostile');
  assert.ok(!existsSync(target));
});
