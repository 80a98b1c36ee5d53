// Whether a device of the host works, as far as that can be told without its ioctls.
// Invariant: what this process may not open is judged by what the kernel's drivers have registered, never by the refusal.
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';

export type Health = { healthy: true } | { healthy: false; reason: string };

export interface ProbeOptions {
  /** Opens and closes; throws with the system's code. For tests of refusals. */
  tryOpen?: (path: string) => Promise<void>;
  /** Where the kernel lists character devices by their numbers. */
  registeredFolder?: string;
}

const notPermitted = new Set(['EPERM', 'EACCES']);

/**
 * Opens `path` for reading and writing, and closes it. An unprivileged container may not open the host's devices (its
 * device cgroup refuses): there the device is healthy when a driver has registered its number in /sys/dev/char, which
 * KVM does once it found the processor fit.
 */
export async function probeDevice(path: string, options: ProbeOptions = {}): Promise<Health> {
  const { tryOpen = openAndClose, registeredFolder = '/sys/dev/char' } = options;
  try {
    const found = await stat(path);
    if (!found.isCharacterDevice()) return { healthy: false, reason: `${path} is not a character device` };
    try {
      await tryOpen(path);
    } catch (error) {
      if (!notPermitted.has(codeOf(error))) throw error;
      const number = `${major(found.rdev)}:${minor(found.rdev)}`;
      await access(`${registeredFolder}/${number}`).catch(() => {
        throw Object.assign(new Error(`no driver has registered ${number}`), { code: 'ENXIO' });
      });
    }
    return { healthy: true };
  } catch (error) {
    return { healthy: false, reason: reasonOf(path, error) };
  }
}

async function openAndClose(path: string): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
  await file.close();
}

function reasonOf(path: string, error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return `there is no ${path}`;
  const driver = code === 'ENXIO' || code === 'ENODEV' ? ': no driver serves it' : '';
  return `${path} cannot be opened (${code})${driver}`;
}

function codeOf(error: unknown): string {
  return (error instanceof Error && 'code' in error && String(error.code)) || String(error);
}

// The encoding of Linux's dev_t in user space.
function major(device: number): number {
  return Number((BigInt(device) >> 8n) & 0xfffn);
}

function minor(device: number): number {
  return Number((BigInt(device) & 0xffn) | ((BigInt(device) >> 12n) & 0xffffff00n));
}
