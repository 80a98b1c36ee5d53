// Memory of a process from /proc/PID/smaps. Pure. Sizes in KiB there, bytes here.

export interface ProcessMemory {
  /** Its share of everything it maps. */
  pssBytes: number;
  /** What no other process maps. */
  privateBytes: number;
  /** `pssBytes` without its share of the pages of the shared file that it has not written to. */
  beyondSharedBytes: number;
  /** Of that, pages of the shared file that it has written to. */
  copiedBytes: number;
  /** Of that, code that it made for itself: what an emulator has translated. */
  translatedBytes: number;
}

/** Addresses, access, offset, device, inode, path. */
const headerPattern = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)$/;
const sizePattern = /^(\w+): +(\d+) kB$/;

/** `isShared` says of a mapped path whether it is the file that clones share. */
export function memoryOf(smaps: string, isShared: (path: string) => boolean): ProcessMemory {
  const sums = { pssBytes: 0, privateBytes: 0, beyondSharedBytes: 0, copiedBytes: 0, translatedBytes: 0 };
  let [shared, translated] = [false, false];
  for (const line of smaps.split('\n')) {
    const [, access, path = ''] = headerPattern.exec(line) ?? [];
    if (access !== undefined) {
      shared = isShared(path);
      translated = access.startsWith('rwx') && path === '';
    }
    const [, name, text] = sizePattern.exec(line) ?? [];
    const bytes = Number(text) * 1024;
    if (name === 'Pss') sums.pssBytes += bytes;
    if (name === 'Pss' && translated) sums.translatedBytes += bytes;
    if (name === 'Private_Clean' || name === 'Private_Dirty') sums.privateBytes += bytes;
    // Of the shared file only the pages that were written to, and so copied, are its own.
    if (name === (shared ? 'Anonymous' : 'Pss')) sums.beyondSharedBytes += bytes;
    if (name === 'Anonymous' && shared) sums.copiedBytes += bytes;
  }
  return sums;
}
