// The cgroup that all pods of a node are below, in every hierarchy of this machine (version 1, 2, or both).
// Invariant: it goes away with its owner, also when that is killed.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanUpAfterwards } from '../watchdog.ts';

const root = '/sys/fs/cgroup';
/** Beside other work of this machine a whole node would count as one process; so it counts as ten. */
const weights = { 'cpu.shares': '10240', 'cpu.weight': '1000' };
const remove = `for i in $(seq 50); do
  left=
  for folder in "${root}/$0" ${root}/*/"$0"; do
    [ -d "$folder" ] || continue
    left=yes
    find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
  done
  [ "$left" ] || exit 0
  sleep 0.1
done`;

/** Makes it before the kubelet starts, which insists on that. */
export async function makeCgroup(name: string): Promise<AsyncDisposable> {
  const cleaning = cleanUpAfterwards(remove, [name]);
  if (existsSync(join(root, 'cgroup.controllers'))) await makeUnified(name);
  else for (const hierarchy of await readdir(root)) await makeIn(join(root, hierarchy), name);
  return cleaning;
}

async function makeUnified(name: string): Promise<void> {
  const folder = join(root, name);
  await mkdir(folder);
  for (const controller of (await readFile(join(root, 'cgroup.controllers'), 'utf8')).trim().split(' ')) {
    for (const parent of [root, folder]) {
      // One that this machine keeps for itself is missing below; the kubelet says so if it needs it.
      await writeFile(join(parent, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
    }
  }
  await writeWeights(folder);
}

async function writeWeights(folder: string): Promise<void> {
  for (const [file, weight] of Object.entries(weights)) {
    if (existsSync(join(folder, file))) await writeFile(join(folder, file), weight);
  }
}

async function makeIn(hierarchy: string, name: string): Promise<void> {
  if (!existsSync(join(hierarchy, 'cgroup.procs'))) return;
  const folder = join(hierarchy, name);
  await mkdir(folder, { recursive: true });
  await writeWeights(folder);
  // A new cpuset has neither processors nor memory until it is given some.
  for (const file of ['cpuset.cpus', 'cpuset.mems'].filter((each) => existsSync(join(folder, each)))) {
    await writeFile(join(folder, file), await readFile(join(hierarchy, file)));
  }
}
