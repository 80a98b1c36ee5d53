// What a cluster with a real node stands on: a folder, a cgroup, namespaces, and the programs that run in them.
// Invariant: disposing ends what was started on it, newest first, and leaves nothing on this machine.
import { join } from 'node:path';
import { type Program, startProgram } from '../child.ts';
import { outputOf } from '../run-command.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import type { AddressPlan } from './address-plan.ts';
import { makeCgroup } from './cgroup.ts';
import { makeNamespaces } from './namespaces.ts';
import { makeReplaceable, type ReplaceableProgram } from './replaceable-program.ts';

export interface Ground extends AsyncDisposable {
  bin: string;
  folder: string;
  /** The name of the pods' parent in every hierarchy. */
  cgroup: string;
  addresses: AddressPlan;
  /** Starts one of the Kubernetes programs in the node's network, seeing the host's files. */
  launch(name: string, args: string[]): Program;
  /** Starts any program on the node: in all its namespaces. */
  launchOnNode(name: string, file: string, args: string[]): Program;
  /** Runs a program on the node to its end, which must be a good one; gives what it printed. */
  onNode(file: string, ...args: string[]): Promise<string>;
  /** A program that was started. Throws when there is none of that name. */
  program(name: string): ReplaceableProgram;
}

export interface GroundOptions {
  /** The folder of the programs, see obtainKubernetes. */
  bin: string;
  /** Whether the node has the host's /dev/kvm, if that has one. */
  kvm: boolean;
}

export async function makeGround({ bin, kvm }: GroundOptions): Promise<Ground> {
  await using started = new AsyncDisposableStack();
  const { path: folder } = started.use(await makeScratchFolder('node'));
  const cgroup = folder.slice(folder.lastIndexOf('/') + 1);
  started.use(await makeCgroup(cgroup));
  const namespaces = started.use(await makeNamespaces({ folder, pause: join(bin, 'pause'), kvm }));
  const programs = new Map<string, ReplaceableProgram>();
  const stack = started.move();
  const run = (name: string, [file, args]: [string, string[]]): Program => {
    const program = stack.use(makeReplaceable(() => startProgram(name, file, args, join(folder, `${name}.log`))));
    programs.set(name, program);
    return program.current();
  };
  return {
    bin,
    folder,
    cgroup,
    addresses: namespaces.addresses,
    launch: (name, args) => run(name, namespaces.inNetwork(join(bin, name), args)),
    launchOnNode: (name, file, args) => run(name, namespaces.onNode(file, args)),
    onNode: (file, ...args) => outputOf(...namespaces.onNode(file, args)),
    program: (name) => {
      const program = programs.get(name);
      if (!program) throw new Error(`no program ${name} in the cluster`);
      return program;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
