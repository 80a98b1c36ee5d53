// What machines need from this host. Invariant: checks look and change nothing.
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { type StatusView, statusView } from '@tvm/api/rest/microvms.ts';
import { hasRootRights, rootRightsHint } from '@tvm/images/root-rights.ts';
import { makeRestClient } from '../client/rest-client.ts';
import type { Config } from '../config.ts';
import { checkPortFree, listenSettings } from '../service/ports.ts';
import { runningService } from '../service/start.ts';
import { readToken } from '../service/tokens.ts';
import type { Check } from './check.ts';
import { checkFirecracker } from './firecracker.ts';
import { checkKvm } from './kvm.ts';
import { qemuVersion } from './qemu.ts';
import { checkServer } from './server.ts';

const minMemoryMiB = 1024;
const minDiskMiB = 4096;

const tools: { program: string; package: string; neededFor: string; optional?: boolean }[] = [
  { program: 'mmdebstrap', package: 'mmdebstrap', neededFor: 'the images tvm/python and tvm/node' },
  { program: 'mksquashfs', package: 'squashfs-tools', neededFor: 'every image' },
  { program: 'skopeo', package: 'skopeo', neededFor: 'OCI images' },
  { program: 'umoci', package: 'umoci', neededFor: 'OCI images' },
  { program: 'zstd', package: 'zstd', neededFor: 'the guest kernel' },
  { program: 'cpio', package: 'cpio', neededFor: 'the guest kernel', optional: true },
  { program: 'cargo', package: 'cargo', neededFor: 'building the guest agent', optional: true },
  { program: 'kubectl', package: 'kubectl', neededFor: '"vvm kubectl"', optional: true },
];

export async function runChecks(config: Config): Promise<Check[]> {
  if (config.remote) return await checkServer(config.remote);
  return [
    checkSystem(),
    checkRoot(),
    ...(await whatTheNodeTells(config)),
    await checkQemu(config),
    await checkFirecracker(config, checkKvm().state === 'ok'),
    ...tools.map((tool) => checkTool(tool, config)),
    checkMemory(),
    checkDisk('state', config.home),
    checkDisk('cache', config.cache),
    ...(await checkPorts(config)),
  ];
}

function checkSystem(): Check {
  const name = systemName();
  const found = `${name}, ${process.arch}, ${availableParallelism()} CPUs, node ${process.version}`;
  if (process.platform !== 'linux')
    return { name: 'system', state: 'missing', found, advice: 'Machines run on Linux only.' };
  if (process.arch !== 'x64')
    return { name: 'system', state: 'missing', found, advice: 'Machines run on x86-64 only.' };
  if (/debian|ubuntu/i.test(name)) return { name: 'system', state: 'ok', found };
  return { name: 'system', state: 'warning', found, advice: 'Only Debian is tried: install the tools below yourself.' };
}

function systemName(): string {
  const path = '/etc/os-release';
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? process.platform;
}

function checkRoot(): Check {
  const uid = process.getuid?.();
  if (uid === 0) return { name: 'root', state: 'ok', found: 'yes' };
  const found = `user ${uid}, ${hasRootRights() ? 'with' : 'without'} ids of its own for the files of images`;
  const limited = 'Networks of machines and limits of their processor time want root.';
  return { name: 'root', state: 'warning', found, advice: hasRootRights() ? limited : `${limited} ${rootRightsHint}` };
}

/** What the running flintlock found out; else what can be seen without starting a machine. */
async function whatTheNodeTells(config: Config): Promise<Check[]> {
  const service = runningService(config);
  const unasked = [checkKvm(), checkBubblewrap(config), checkCgroups()];
  if (!service?.url) return unasked;
  try {
    const client = makeRestClient({ url: service.url, token: readToken(service.tokensFile) });
    const { nodes } = statusView.parse(await client.json({ path: '/v1/status' }));
    const node = nodes.find((each) => each.reachable);
    return node ? [acceleratorOf(node), confinementOf(node), networksOf(node), limitsOf(node)] : unasked;
  } catch (error) {
    return [{ ...checkKvm(), found: `the service does not tell: ${TvmError.from(error).message}` }];
  }
}

type NodeView = StatusView['nodes'][number];

function acceleratorOf(node: NodeView): Check {
  const found = `${node.driver} with ${node.accelerator}${node.acceleratorReason ? `: ${node.acceleratorReason}` : ''}`;
  if (node.accelerator === 'kvm') return { name: 'accelerator', state: 'ok', found };
  return { name: 'accelerator', state: 'warning', found, advice: 'Machines are isolated all the same, and slower.' };
}

const confinementName = 'confinement';
const confinementAdvice =
  'Machine monitors get a user and a root of their own where vvm runs as root and has bubblewrap.';

function confinementOf({ driver, confinement, confinementReason }: NodeView): Check {
  if (confinement === '') return { name: confinementName, state: 'ok', found: `left to ${driver || 'the node'}` };
  const found = confinementReason === '' ? confinement : `${confinement}: ${confinementReason}`;
  if (confinement === 'full') return { name: confinementName, state: 'ok', found };
  return { name: confinementName, state: 'warning', found, advice: confinementAdvice };
}

function networksOf({ networksUnavailable: found }: NodeView): Check {
  if (found === '') return { name: 'networks', state: 'ok', found: 'machines can have one' };
  return { name: 'networks', state: 'warning', found, advice: 'Machines run without a network all the same.' };
}

function limitsOf({ limitsUnavailable: found }: NodeView): Check {
  if (found === '') return { name: cgroupsName, state: 'ok', found: 'used by the node' };
  return { name: cgroupsName, state: 'warning', found, advice: cgroupsAdvice };
}

function checkBubblewrap(config: Config): Check {
  const path = findProgram('bwrap', config);
  if (path && process.getuid?.() === 0) return { name: confinementName, state: 'ok', found: path };
  const found = path ? 'without a user of their own: vvm does not run as root' : 'bubblewrap is not installed';
  return { name: confinementName, state: 'warning', found, advice: confinementAdvice };
}

async function checkQemu(config: Config): Promise<Check> {
  const path = findProgram('qemu-system-x86_64', config);
  const advice = 'apt-get install qemu-system-x86';
  if (!path) return { name: 'qemu-system-x86_64', state: 'missing', found: 'not installed', advice };
  const version = await qemuVersion(path);
  const known = Number(/^(\d+)/.exec(version)?.[1]) >= 7;
  const outdated = { state: 'warning', advice: 'QEMU 7.2 and newer are tried.' } as const;
  return { name: 'qemu-system-x86_64', found: version, ...(known ? { state: 'ok' as const } : outdated) };
}

function checkTool({ program, package: name, neededFor, optional }: (typeof tools)[number], config: Config): Check {
  const path = findProgram(program, config);
  if (path) return { name: program, state: 'ok', found: path };
  const state = optional ? 'warning' : 'missing';
  const install = program === 'kubectl' ? 'https://kubernetes.io/docs/tasks/tools/' : `apt-get install ${name}`;
  return { name: program, state, found: 'not installed', advice: `Needed for ${neededFor}: ${install}` };
}

export function findProgram(program: string, { environment }: Pick<Config, 'environment'>): string | undefined {
  const folders = [...(environment.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function checkMemory(): Check {
  const [free, total] = [availableMiB(), Math.floor(totalmem() / 1_048_576)];
  const found = `${free} of ${total} MiB available`;
  if (free >= minMemoryMiB) return { name: 'memory', state: 'ok', found };
  return { name: 'memory', state: 'warning', found, advice: `Machines and their service want ${minMemoryMiB} MiB.` };
}

function availableMiB(): number {
  const text = existsSync('/proc/meminfo') ? readFileSync('/proc/meminfo', 'utf8') : '';
  const kib = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1]);
  return Math.floor(Number.isFinite(kib) ? kib / 1024 : freemem() / 1_048_576);
}

function checkDisk(what: string, path: string): Check {
  const folder = nearestExisting(path);
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / 1_048_576);
  const found = `${free} MiB free for ${path}`;
  const name = `disk for ${what}`;
  if (free >= minDiskMiB) return { name, state: 'ok', found };
  return {
    name,
    state: 'warning',
    found,
    advice: `Images want ${minDiskMiB} MiB: make room, or set TVM_CACHE_DIR, TVM_HOME.`,
  };
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

const cgroupsName = 'cgroups';
const cgroupsAdvice = 'Without control groups the host side of a machine is not limited, and cpuPercent cannot be had.';

function checkCgroups(): Check {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { name: cgroupsName, state: 'ok', found: 'version 2' };
  const isVersion1 = ['cpu', 'memory', 'pids'].every((controller) => existsSync(`/sys/fs/cgroup/${controller}`));
  if (isVersion1) return { name: cgroupsName, state: 'ok', found: 'version 1' };
  const found = existsSync('/sys/fs/cgroup') ? 'not mounted' : 'none';
  return { name: cgroupsName, state: 'warning', found, advice: cgroupsAdvice };
}

async function checkPorts(config: Config): Promise<Check[]> {
  if (runningService(config)) return [{ name: 'ports', state: 'ok', found: 'the service listens' }];
  return await Promise.all(
    listenSettings(config.listen).map(async (setting): Promise<Check> => {
      const name = setting.variable;
      try {
        await checkPortFree(setting);
        return { name, state: 'ok', found: `${setting.address} is free` };
      } catch (thrown) {
        const { message, hint } = TvmError.from(thrown);
        return { name, state: 'missing', found: message, ...(hint && { advice: hint }) };
      }
    }),
  );
}
