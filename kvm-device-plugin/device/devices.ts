// What a container with a permit gets: the device itself, and what machines use beside it as far as this host has it.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceSpec } from '../permits.ts';

/** Where VMMs look for KVM, wherever the host keeps it. */
const devicePath = '/dev/kvm';
/** Network interfaces of machines; and memory of restored ones, since a container's seccomp profile refuses the system call. */
const companions = ['/dev/net/tun', '/dev/userfaultfd'];

export interface HostDevices {
  /** The device's path on the host. */
  device: string;
  /** Where this process sees the host's root. */
  hostRoot: string;
}

export function devicesForContainer({ device, hostRoot }: HostDevices): DeviceSpec[] {
  const present = companions.filter((path) => isCharacterDevice(join(hostRoot, path)));
  return [
    { containerPath: devicePath, hostPath: device, permissions: 'rw' },
    ...present.map((path) => ({ containerPath: path, hostPath: path, permissions: 'rw' })),
  ];
}

function isCharacterDevice(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isCharacterDevice() ?? false;
}
