// Names of what a machine's network is made of. Invariant: each tells the machine and the flintlock that it belongs to, so that
// one flintlock never takes what is another's.
import { createHash } from 'node:crypto';

const ownerLength = 4;
/** An interface's name has 15 letters at most. */
const idLength = 10;
const machineIdPattern = /^[a-z0-9]{1,12}$/;

/** Of a flintlock, by the folder where it keeps its state. */
export function ownerOf(stateFolder: string): string {
  return createHash('sha256').update(stateFolder).digest('hex').slice(0, ownerLength);
}

export interface NetworkNames {
  namespace: string;
  /** On the node's side of the pair; the other side is `uplink`. */
  link: string;
}

export function namesOf(owner: string, machineId: string): NetworkNames {
  if (!machineIdPattern.test(machineId)) throw new Error(`${machineId} is no id of a machine`);
  return {
    namespace: `${namespacePrefix(owner)}${machineId}`,
    link: `${linkPrefix(owner)}${machineId.slice(0, idLength)}`,
  };
}

export function namespacePrefix(owner: string): string {
  return `tvm-${owner}-`;
}

export function linkPrefix(owner: string): string {
  return `t${owner}`;
}

export function tableOf(owner: string): string {
  return `tvm-${owner}`;
}

export const uplink = 'uplink';
export const tap = 'tap0';
export const namespaceFolder = '/run/netns';
