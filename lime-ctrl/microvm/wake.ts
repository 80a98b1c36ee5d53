// Which MicroVMs are looked at when something else changes: those that it concerns, never all.
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { indexByGroups } from '@tvm/kit/controller/group-index.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { quotaExceeded } from '../quota/quota.ts';
import { ownerLabel } from './world.ts';

export interface Wake extends Disposable {
  /** A node came, went, or takes machines otherwise than before: those on it, and those without one. */
  byNode(node: string): string[];
  /** A MicroVMSnapshot changed: those that wait to start from it. */
  bySnapshot(key: string): string[];
  /** Somebody made room: those that wait for it. */
  byRoom(): string[];
  /** A machine changed: the one that it was made for. */
  byMachine(machine: PlacedMachine['machine']): string[];
  /** All there are, and those that only a machine tells of. */
  all(): string[];
}

const unplaced = 'unplaced';
const withoutRoom = 'room';
/** With one of these it waits for a node, whichever it had. */
const placementReasons = ['NoNode', 'NoRoom', 'TooLarge', 'NodeGone', 'NodeDrained'];
/** With one of these for room on one. */
const roomReasons = ['NoRoom', 'NodeGone', 'NodeDrained', quotaExceeded];

export function makeWake(microVms: Pick<Reflector<MicroVm>, 'list' | 'subscribe'>, fleet: Fleet): Wake {
  const index = indexByGroups(microVms, groupsOf);
  const byMachine: Wake['byMachine'] = ({ labels: { [ownerLabel]: owner, namespace, name } }) =>
    owner === 'microvm' && namespace && name ? [`${namespace}/${name}`] : [];
  return {
    byNode: (node) => [
      ...index.in(`node ${node}`),
      ...index.in(unplaced),
      ...fleet.machinesOn(node).flatMap(byMachine),
    ],
    bySnapshot: (key) => index.in(`snapshot ${key}`),
    byRoom: () => index.in(withoutRoom),
    byMachine,
    all: () => [
      ...new Set([...microVms.list().map(keyOf), ...fleet.machines().flatMap(({ machine }) => byMachine(machine))]),
    ],
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}

function groupsOf({ metadata, spec, status }: MicroVm): string[] {
  const { host, reason } = status ?? {};
  return [
    ...(host === undefined ? [] : [`node ${host}`]),
    ...(host === undefined || placementReasons.includes(reason ?? '') ? [unplaced] : []),
    ...(roomReasons.includes(reason ?? '') ? [withoutRoom] : []),
    ...(host === undefined && spec?.snapshot !== undefined ? [`snapshot ${metadata.namespace}/${spec.snapshot}`] : []),
  ];
}
