// The peers: the same python from the same root filesystem without a machine of its own: in a chroot, in containers.
// Their own commands, unmodified.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isInstalled, runProgram } from '../host/program.ts';
import type { Scope } from '../host/scope.ts';
import type { Scenario } from '../measure/sample.ts';
import { expectOutput, type Snippet } from '../snippet.ts';

export interface PeerDeps {
  scope: Scope;
  /** A squashfs file. */
  rootPath: () => Promise<string>;
  snippet: Snippet;
  /** The value of PATH. */
  path: string;
}

interface Runtime {
  id: string;
  program: string;
  name: string;
  what: string;
  perRound: number;
  /** Before `run`. */
  flags: string[];
}

const runtimes: Runtime[] = [
  {
    ...{ id: 'runc', program: 'runc', name: 'runc run', perRound: 5, flags: [] },
    what: 'runc run of a container from the same root: python3 -c to its output and exit',
  },
  {
    ...{ id: 'runsc', program: 'runsc', name: 'gVisor, runsc run', perRound: 2 },
    what: 'runsc --network=none --ignore-cgroups run of the same container',
    flags: ['--network=none', '--ignore-cgroups'],
  },
];

export function makePeerScenarios(deps: PeerDeps): Scenario[] {
  const { scope, rootPath, snippet, path } = deps;
  const bundle = scope.lazy(async () => await makeBundle(join(scope.folder, 'bundle'), await rootPath(), snippet));
  const setup = async () => void (await bundle());
  return [
    {
      ...{ id: 'python', kind: 'peer', name: 'python3 alone', perRound: 3, setup },
      what: 'chroot into the same root: python3 -c to its output and exit, no isolation to speak of',
      run: async () => {
        const argv = [join(await bundle(), 'rootfs'), 'python3', '-c', snippet.code];
        expectOutput('python3', snippet, await runProgram('chroot', argv));
      },
    },
    ...runtimes.map((runtime) => containerScenario(runtime, deps, bundle, isInstalled(runtime.program, path))),
  ];
}

function containerScenario(
  { id, program, name, what, perRound, flags }: Runtime,
  { scope, snippet }: PeerDeps,
  bundle: () => Promise<string>,
  installed: boolean,
): Scenario {
  const begun = new Set<string>();
  let count = 0;
  return {
    ...{ id, kind: 'peer', name, what, perRound },
    absent: installed ? undefined : `${program} is not installed`,
    setup: async () => {
      await bundle();
      scope.own(async () => {
        for (const container of begun) await runProgram(program, ['delete', '--force', container]);
      });
    },
    run: async () => {
      const container = `tvm-bench-${process.pid}-${count++}`;
      begun.add(container);
      const stdout = await runProgram(program, [...flags, 'run', '--bundle', await bundle(), container]);
      begun.delete(container);
      expectOutput(name, snippet, stdout);
    },
  };
}

/** A folder with the root unpacked and a configuration for container runtimes. */
async function makeBundle(folder: string, rootPath: string, snippet: Snippet): Promise<string> {
  await runProgram('mkdir', [folder]);
  await runProgram('unsquashfs', ['-q', '-n', '-d', join(folder, 'rootfs'), rootPath]);
  await runProgram('runc', ['spec', '--bundle', folder]);
  const path = join(folder, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  config.process.terminal = false;
  config.process.args = ['python3', '-c', snippet.code];
  await writeFile(path, JSON.stringify(config));
  return folder;
}
