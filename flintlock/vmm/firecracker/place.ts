// Where a VMM runs: in a jail, or in its VM's folder as flintlock's user. Both give it the same files by the same names.
import { existsSync, linkSync, rmSync, symlinkSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../../confinement/sandbox.ts';
import type { UserRange } from '../../confinement/users.ts';
import type { Vm, VmNetwork } from '../driver.ts';
import { vmNamePrefix } from '../process.ts';
import { copySparse, digHoles } from '../sparse.ts';
import { outputFiles, snapshotFiles } from './files.ts';
import { furnish, jailedPid, jailedUser, removeJail, takeFile, takeSocket } from './jail.ts';
import { jailCommand, jailRoot } from './jail-command.ts';
import { enterNamespace, namespaceOf, ownNamespace, withOwnTap } from './tap-command.ts';

/** The jailer, and what of the host it has to know. */
export interface Jail {
  jailer: string;
  cgroupVersion: 1 | 2;
  users: UserRange;
}

/** What a VMM is to be started with. */
export interface Wanted {
  /** Files of the host by the name that the VMM knows. */
  inputs: Readonly<Record<string, string>>;
  /** The same, of those that it writes to. */
  disks: Readonly<Record<string, string>>;
  network: VmNetwork | undefined;
  args: string[];
  maxFileBytes: number;
}

export interface Place {
  /** Puts the files there, and gives the command that starts the VMM. The VM's folder has its pipes. */
  prepare(vm: Vm, wanted: Wanted): Command;
  /** The VMM, when what was started ends and leaves it behind; undefined: it is what was started. */
  leftBehind(vm: Vm): number | undefined;
  /** What the VMM sees as its own folder, and whom it belongs to; undefined: flintlock's user. Before the VMM runs a guest. */
  rootOf(vm: Vm): { root: string; user: number | undefined };
  /** Brings a socket that the VMM has made into the VM's folder; false: it is not there yet. */
  takeSocket(vm: Vm, name: string): boolean;
  /** Names that the VMM writes a snapshot to; its memory may be one that there is, to be written over. */
  outputs(vm: Vm, snapshotFolder: string, baseMemory?: string): Promise<{ state: string; memory: string }>;
  /** Puts what it wrote into the snapshot's folder. */
  collect(vm: Vm, snapshotFolder: string): Promise<void>;
  /** Of a VMM that has ended. */
  remove(vm: Vm): void;
}

/** In the VM's folder. */
export function makeOpenPlace(firecracker: string): Place {
  const outputsIn = (folder: string) => ({
    state: join(folder, snapshotFiles.state),
    memory: join(folder, snapshotFiles.memory),
  });
  return {
    prepare(vm, { inputs, disks, network, args }) {
      for (const [name, path] of Object.entries({ ...inputs, ...disks })) symlinkSync(path, join(vm.folder, name));
      const own = ['--id', `${vmNamePrefix}${vm.id}`, ...args];
      if (!network) return { program: firecracker, args: own };
      const inside = [...enterNamespace(namespaceOf(network)), firecracker, ...own];
      const command = withOwnTap(network, process.getuid?.() ?? 0, inside);
      return { program: 'unshare', args: [...ownNamespace(network), '--', ...command] };
    },
    leftBehind: () => undefined,
    rootOf: (vm) => ({ root: vm.folder, user: undefined }),
    takeSocket: (vm, name) => existsSync(join(vm.folder, name)),
    async outputs(_vm, folder, base) {
      if (base) {
        await copySparse(base, outputsIn(folder).memory);
        await chmod(outputsIn(folder).memory, 0o600);
      }
      return outputsIn(folder);
    },
    async collect(_vm, folder) {
      await digHoles(outputsIn(folder).memory);
      for (const path of Object.values(outputsIn(folder))) await chmod(path, 0o444);
    },
    remove: () => undefined,
  };
}

export function makeJailedPlace(firecracker: string, { jailer, cgroupVersion, users }: Jail): Place {
  return {
    prepare(vm, wanted) {
      const uid = furnish(vm, firecracker, users, wanted);
      return jailCommand({ ...wanted, vm, jailer, firecracker, uid, cgroupVersion });
    },
    leftBehind: (vm) => jailedPid(vm, firecracker),
    rootOf: (vm) => ({ root: jailRoot(vm, firecracker), user: jailedUser(vm) }),
    takeSocket: (vm, name) => takeSocket(vm, firecracker, name),
    async outputs(vm, _folder, base) {
      if (base) {
        const outside = join(vm.folder, outputFiles.memory);
        await copySparse(base, outside);
        await chmod(outside, 0o600);
        await chown(outside, jailedUser(vm), jailedUser(vm));
        const inside = join(jailRoot(vm, firecracker), outputFiles.memory);
        rmSync(inside, { force: true });
        linkSync(outside, inside);
        rmSync(outside);
      }
      return outputFiles;
    },
    async collect(vm, folder) {
      await takeFile(vm, firecracker, outputFiles.state, join(folder, snapshotFiles.state));
      await takeFile(vm, firecracker, outputFiles.memory, join(folder, snapshotFiles.memory));
    },
    remove: removeJail,
  };
}
