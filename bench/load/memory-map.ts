// Memory of a process from /proc/PID/smaps. Pure, but for the reading. Sizes in KiB there, bytes here.

export interface ProcessMemory {
  /** Its share of everything it maps. */
  pssBytes: number;
  /** What no other process maps. */
  privateBytes: number;
  /** `pssBytes` without its share of the pages of `sharedFile` that it has not written to. */
  beyondSharedBytes: number;
  /** Of that, pages of `sharedFile` that it has written to. */
  copiedBytes: number;
}

const headerPattern = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)$/;

/** `isShared` says of a mapped path whether it is the file that clones share. */
export function memoryOf(smaps: string, isShared: (path: string) => boolean): ProcessMemory {
  const sums = { pssBytes: 0, privateBytes: 0, beyondSharedBytes: 0, copiedBytes: 0 };
  let shared = false;
  for (const line of smaps.split('\n')) {
    const header = headerPattern.exec(line);
    if (header) shared = isShared(header[1] ?? '');
    const [, name, text] = /^(\w+): +(\d+) kB$/.exec(line) ?? [];
    const bytes = Number(text) * 1024;
    if (name === 'Pss') sums.pssBytes += bytes;
    if (name === 'Private_Clean' || name === 'Private_Dirty') sums.privateBytes += bytes;
    // Of the shared file only the pages that were written to, and so copied, are its own.
    if (name === (shared ? 'Anonymous' : 'Pss')) sums.beyondSharedBytes += bytes;
    if (name === 'Anonymous' && shared) sums.copiedBytes += bytes;
  }
  return sums;
}
