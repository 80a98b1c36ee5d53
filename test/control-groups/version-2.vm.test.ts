// Control groups of version 2, which most hosts have alone: in a real machine, whose kernel has no others, at its root and in
// a container.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';
import { type Service, startService } from '../e2e/service.ts';
import type { Overrun } from './overrun.ts';

let service: Service;

before(async () => {
  service = await startService();
  await service.ok(['create', 'host', '--image', 'tvm/node', '--memory', '384'], { timeoutMs: 300_000 });
  await using scratch = await makeScratchFolder('control-groups');
  const file = join(scratch.path, 'overrun.mjs');
  writeFileSync(file, await bundle());
  await service.ok(['cp', file, 'host:/root/overrun.mjs']);
});
after(() => service?.[Symbol.asyncDispose]());

/** As one file that the Node of the image runs. */
async function bundle(): Promise<string> {
  const entryPoints = [new URL('./overrun.ts', import.meta.url).pathname];
  const { outputFiles } = await build({
    entryPoints,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0]?.text ?? '';
}

async function overrun(script: string): Promise<Overrun> {
  return JSON.parse(await service.ok(['exec', 'host', '--', 'sh', '-euc', script], { timeoutMs: 120_000 }));
}

function assertLimited({ unavailable, cpuPercent, memorySignal, started, left }: Overrun): void {
  assert.equal(unavailable, '');
  assert.ok(cpuPercent > 5 && cpuPercent < 30, `a fifth of a processor: ${cpuPercent} %`);
  assert.equal(memorySignal, 'SIGKILL');
  assert.ok(started > 0 && started < 8, `${started} of 20 were started`);
  assert.deepEqual(left, []);
}

test('at the root of the host each limit holds, and nothing is left', async () => {
  assertLimited(await overrun('node /root/overrun.mjs'));
});

// As in a pod: processes are in the group that looks like the root, and such a group may not hand controllers down.
test('in a container with a namespace of control groups as well', async () => {
  const inside = 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec node /root/overrun.mjs';
  const enter = 'mkdir -p /sys/fs/cgroup/pod/container; echo 0 >/sys/fs/cgroup/pod/container/cgroup.procs';
  const hand = 'echo +cpu +memory +pids >/sys/fs/cgroup/pod/cgroup.subtree_control';
  assertLimited(await overrun(`${enter}; ${hand}; exec unshare --cgroup --mount sh -euc '${inside}'`));
});
