// Which node a machine goes to: a pure function. A node with the image wins, then the one with most memory free.

export interface ObservedNode {
  name: string;
  reachable: boolean;
  /** Since when it has been reachable, or has not. */
  sinceMs: number;
  cpus: number;
  memoryMiB: number;
  memoryFreeMiB: number;
  machines: number;
  machineLimit: number;
  images: string[];
}

export interface Demand {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
}

export type Placement =
  | { node: string }
  /** One word and one sentence with the numbers. */
  | { node: undefined; reason: 'NoNode' | 'NoRoom' | 'TooLarge'; message: string };

/** `preferred` is taken when it fits: the node that had the machine before. */
export function place(demand: Demand, nodes: readonly ObservedNode[], preferred?: string): Placement {
  const reachable = nodes.filter((node) => node.reachable);
  if (reachable.length === 0) {
    const message = nodes.length === 0 ? 'no node is configured' : `none of ${nodes.length} nodes answers`;
    return { node: undefined, reason: 'NoNode', message };
  }
  const fitting = reachable.filter((node) => whyNot(demand, node) === undefined);
  const best = fitting.find((node) => node.name === preferred) ?? fitting.toSorted((a, b) => order(demand, a, b))[0];
  if (best) return { node: best.name };
  const everFits = reachable.some((node) => demand.cpu <= node.cpus && demand.memory <= node.memoryMiB);
  const message = reachable.map((node) => `${node.name}: ${whyNot(demand, node)}`).join('; ');
  return { node: undefined, reason: everFits ? 'NoRoom' : 'TooLarge', message };
}

function whyNot(demand: Demand, node: ObservedNode): string | undefined {
  if (demand.cpu > node.cpus) return `has ${node.cpus} CPUs, ${demand.cpu} asked`;
  if (demand.memory > node.memoryFreeMiB) {
    return `has ${node.memoryFreeMiB} MB free of ${node.memoryMiB} MB, ${demand.memory} MB asked`;
  }
  if (node.machineLimit > 0 && node.machines >= node.machineLimit)
    return `has its limit of ${node.machineLimit} machines`;
  return undefined;
}

function order({ image }: Demand, a: ObservedNode, b: ObservedNode): number {
  const local = Number(b.images.includes(image)) - Number(a.images.includes(image));
  return local || b.memoryFreeMiB - a.memoryFreeMiB || a.machines - b.machines || a.name.localeCompare(b.name);
}
