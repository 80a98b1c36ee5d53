// What went through the network interface of a VM, as the kernel counts it in the network namespace of one of its processes.
import { readFileSync, readlinkSync } from 'node:fs';
import { tap } from '../network/names.ts';
import type { VmUsage } from './driver.ts';

/** Undefined: it has none. */
export function networkUseOf(pid: number): VmUsage['network'] {
  try {
    if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')) return undefined;
    return networkUseIn(readFileSync(`/proc/${pid}/net/dev`, 'utf8'));
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** `text` is that of /proc/PID/net/dev. What the node's end receives, the guest has sent. */
export function networkUseIn(text: string): VmUsage['network'] {
  const line = text.split('\n').find((each) => each.trimStart().startsWith(`${tap}:`));
  const fields = line?.split(':')[1]?.trim().split(/\s+/).map(Number);
  const [sentBytes, receivedBytes] = [fields?.[0], fields?.[8]];
  if (sentBytes === undefined || receivedBytes === undefined) return undefined;
  return { sentBytes, receivedBytes };
}
