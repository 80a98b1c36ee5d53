// Writes a newc cpio archive, the format of an initramfs. Invariant: the same entries give the same bytes.

export interface CpioEntry {
  /** Without a leading slash. Parent folders must come first. */
  path: string;
  /** Type and permissions, as in st_mode. */
  mode: number;
  content?: Uint8Array;
  /** Major and minor number of a device node. */
  device?: { major: number; minor: number };
}

export const folderMode = 0o040755;
export const executableMode = 0o100755;
export const fileMode = 0o100644;
export const charDeviceMode = 0o020600;

const trailer: CpioEntry = { path: 'TRAILER!!!', mode: 0 };
const alignment = 4;

/** The archive of these entries, all owned by root, without times. */
export function cpioArchive(entries: CpioEntry[]): Buffer {
  const chunks = entries.flatMap((entry, index) => entryChunks(entry, index + 1));
  return Buffer.concat([...chunks, ...entryChunks(trailer, 0)]);
}

function entryChunks(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${entry.path}\0`);
  const content = entry.content ?? new Uint8Array();
  const links = entry.mode === folderMode ? 2 : 1;
  const { major, minor } = entry.device ?? { major: 0, minor: 0 };
  // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of the name, checksum
  const fields = [inode, entry.mode, 0, 0, links, 0, content.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.concat([Buffer.from(`070701${fields.map(hex8).join('')}`), name]);
  return [header, padding(header.length), content, padding(content.length)];
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

function padding(length: number): Uint8Array {
  return new Uint8Array((alignment - (length % alignment)) % alignment);
}
