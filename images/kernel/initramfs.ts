// The initramfs of a guest: the agent as /init, the modules it loads first, and the console that the kernel opens for it.
import { basename } from 'node:path';
import { type CpioEntry, charDeviceMode, cpioArchive, executableMode, fileMode, folderMode } from './cpio.ts';

export interface InitramfsContent {
  agent: Uint8Array;
  /** In the order of loading. */
  modules: { path: string; content: Uint8Array }[];
}

/** Not compressed: unpacking costs an emulated processor more than reading. */
export function makeInitramfs({ agent, modules }: InitramfsContent): Buffer {
  const entries: CpioEntry[] = [
    ...['dev', 'proc', 'sys', 'root'].map((path) => ({ path, mode: folderMode })),
    { path: 'dev/console', mode: charDeviceMode, device: { major: 5, minor: 1 } },
    { path: 'init', mode: executableMode, content: agent },
  ];
  if (modules.length > 0) entries.push({ path: 'modules', mode: folderMode });
  for (const { path, content } of modules) entries.push({ path: `modules/${basename(path)}`, mode: fileMode, content });
  return cpioArchive(entries);
}
