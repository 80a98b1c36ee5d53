// The machines of all nodes, found by node, by uid, and by the MicroVM that they were made for.
// Invariant: a machine is in every index or in none.
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';

export interface PlacedMachine {
  node: string;
  machine: Machine;
}

export interface MachineIndex {
  get(node: string, uid: string): Machine | undefined;
  set(node: string, machine: Machine): void;
  delete(node: string, uid: string): void;
  /** On the preferred node, else on any: one that was lost may come back while another took its place. */
  find(uid: string, preferred?: string): PlacedMachine | undefined;
  on(node: string): Machine[];
  all(): PlacedMachine[];
  /** Made for the MicroVM "namespace/name". */
  madeFor(key: string): PlacedMachine[];
  /** How many are on the node; of those that were made in a namespace, when one is given. */
  count(node: string, namespace?: string): number;
  /** Memory of the machines on the node that are up or on their way, MB. */
  promisedMiB(node: string): number;
}

export function makeMachineIndex(): MachineIndex {
  const byNode = new Map<string, Map<string, Machine>>();
  const byUid = new Map<string, Set<string>>();
  const byKey = new Map<string, Map<string, PlacedMachine>>();
  const counts = new Map<string, number>();
  const promised = new Map<string, number>();

  const get = (node: string, uid: string) => byNode.get(node)?.get(uid);

  function count(node: string, machine: Machine, by: 1 | -1): void {
    promised.set(node, (promised.get(node) ?? 0) + by * promisedBy(machine));
    const { namespace } = machine.labels;
    if (namespace === undefined) return;
    const key = `${node}|${namespace}`;
    const next = (counts.get(key) ?? 0) + by;
    if (next === 0) counts.delete(key);
    else counts.set(key, next);
  }

  function forget(node: string, uid: string): void {
    const machine = get(node, uid);
    if (!machine) return;
    byNode.get(node)?.delete(uid);
    remove(byUid, uid, (nodes) => nodes.delete(node));
    remove(byKey, keyOfOwner(machine), (placed) => placed.delete(`${node}|${uid}`));
    count(node, machine, -1);
  }

  return {
    get,
    delete: forget,
    set(node, machine) {
      forget(node, machine.uid);
      entry(byNode, node, () => new Map()).set(machine.uid, machine);
      entry(byUid, machine.uid, () => new Set()).add(node);
      const key = keyOfOwner(machine);
      if (key !== undefined) entry(byKey, key, () => new Map()).set(`${node}|${machine.uid}`, { node, machine });
      count(node, machine, 1);
    },
    find(uid, preferred) {
      const nodes = byUid.get(uid);
      const node = preferred !== undefined && nodes?.has(preferred) ? preferred : nodes?.values().next().value;
      const machine = node === undefined ? undefined : get(node, uid);
      return node === undefined || !machine ? undefined : { node, machine };
    },
    on: (node) => [...(byNode.get(node)?.values() ?? [])],
    all: () => [...byNode].flatMap(([node, machines]) => [...machines.values()].map((machine) => ({ node, machine }))),
    madeFor: (key) => [...(byKey.get(key)?.values() ?? [])],
    count: (node, namespace) =>
      namespace === undefined ? (byNode.get(node)?.size ?? 0) : (counts.get(`${node}|${namespace}`) ?? 0),
    promisedMiB: (node) => promised.get(node) ?? 0,
  };
}

function promisedBy({ state, spec }: Machine): number {
  return state === MachineState.STOPPED || state === MachineState.FAILED ? 0 : (spec?.memoryMib ?? 0);
}

function keyOfOwner({ labels: { owner, namespace, name } }: Machine): string | undefined {
  return owner === 'microvm' && namespace && name ? `${namespace}/${name}` : undefined;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

function remove<K, V extends { size: number }>(map: Map<K, V>, key: K | undefined, change: (held: V) => void): void {
  const held = key === undefined ? undefined : map.get(key);
  if (key === undefined || held === undefined) return;
  change(held);
  if (held.size === 0) map.delete(key);
}
