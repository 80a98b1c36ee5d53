// A flintlock whose VMs live in the process of its parent, and which kills itself at a given step of what it does: a step is
// a change of a file or a change of a VM. A removal that it dies in has removed half.
// Its arguments: home, socket of the host, step (0: never).
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { makeLogger } from '@tvm/kit/log.ts';
import { notifyReady } from '@tvm/kit/run-main.ts';
import { openFlintlock } from '../flintlock.ts';
import { makeFakeImages } from '../vmm/fake/images.ts';
import { makeHostDriver } from './host-driver.ts';

const [home = '', hostSocket = '', dieAt = '0'] = process.argv.slice(2);
let steps = 0;

type AnyFunction = (...args: unknown[]) => unknown;

function step(beforeDeath: () => void = () => undefined): void {
  steps += 1;
  if (steps !== Number(dieAt)) return;
  beforeDeath();
  process.kill(process.pid, 'SIGKILL');
}

function removeHalf(folder: string): void {
  const names = fs.existsSync(folder) && fs.statSync(folder).isDirectory() ? fs.readdirSync(folder) : [];
  for (const name of names.slice(0, Math.ceil(names.length / 2)))
    original.rmSync(join(folder, name), { recursive: true });
}

const original = { rmSync: fs.rmSync };

function dieIn(functions: Record<string, AnyFunction>, names: string[]): void {
  for (const name of names) {
    const change = functions[name] as AnyFunction;
    functions[name] = (...args) => {
      if (String(args[0]).startsWith(home)) step(() => name.startsWith('rm') && removeHalf(String(args[0])));
      return change(...args);
    };
  }
}

dieIn(fs as unknown as Record<string, AnyFunction>, ['mkdirSync', 'writeFileSync', 'renameSync', 'rmSync']);
dieIn(fsPromises as unknown as Record<string, AnyFunction>, ['mkdir', 'writeFile', 'rename', 'rm']);
syncBuiltinESMExports();

const { address } = await openFlintlock({
  config: {
    listen: `unix:${home}/run/flintlock.sock`,
    stateFolder: join(home, 'flintlock'),
    nodeName: 'test-node',
    templates: false,
    suspendAfterMs: 10,
    bootTimeoutMs: 5000,
    limits: { cpus: 4, memoryMiB: 4096, machines: 100 },
  },
  driver: makeHostDriver(hostSocket, () => step()),
  images: makeFakeImages(),
  log: makeLogger('flintlock', 'error'),
});
notifyReady({ address });
process.once('disconnect', () => process.exit(0));
