// The memory that a VM's written pages are counted from: of the snapshot that it started from or that was taken last.
// Invariant: what is kept is what the VMM counts from. It is forgotten before a snapshot begins, which makes the VMM count anew.
import { linkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Vm } from '../driver.ts';

const file = 'base.memory';

/** A link: the snapshot may be deleted. Where none can be made, the next snapshot is a whole one. */
export function keepBase(vm: Vm, memoryPath: string): void {
  forgetBase(vm);
  try {
    linkSync(memoryPath, join(vm.folder, file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
  }
}

/** Its path; undefined: there is none. */
export function baseOf(vm: Vm): string | undefined {
  const path = join(vm.folder, file);
  return statSync(path, { throwIfNoEntry: false }) ? path : undefined;
}

export function forgetBase(vm: Vm): void {
  rmSync(join(vm.folder, file), { force: true });
}
