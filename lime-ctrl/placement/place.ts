// Which node a machine goes to: a pure function. It weighs how much of its memory a node has free against what is there
// already (a template to start from, the image); where that is equal, machines of one namespace are spread.

export interface ObservedNode {
  name: string;
  reachable: boolean;
  /** Since when it has been reachable, or has not. */
  sinceMs: number;
  /** It gets nothing new. */
  cordoned: boolean;
  /** It is about to end. */
  draining: boolean;
  cpus: number;
  memoryMiB: number;
  memoryFreeMiB: number;
  machines: number;
  /** Of those, made in the same namespace. */
  machinesAlike: number;
  machineLimit: number;
  /** Why its machines can have no network, or no limit of their processor time; absent or empty: they can. */
  networksUnavailable?: string;
  limitsUnavailable?: string;
  images: string[];
  /** What it can start without a boot. */
  templates: Required<Pick<Demand, 'image' | 'cpu' | 'memory' | 'interpreter'>>[];
  /** Keys of disks that outlive their machines, as it last told; undefined: it has not told yet. */
  retainedDisks?: string[];
}

export interface Demand {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
  /** That waits in the machine; none: "". */
  interpreter?: string;
  network?: { egress: string } | undefined;
  limits?: { cpuPercent?: number | undefined } | undefined;
}

export type Placement =
  | { node: string }
  /** One word and one sentence with the numbers. */
  | { node: undefined; reason: 'NoNode' | 'NoRoom' | 'TooLarge'; message: string };

/** How many tenths of a node's memory it is worth that the image, or a template too, is there. */
const imageWorth = 4;
const templateWorth = 2;

/** `preferred` is taken when it fits: the node that had the machine before. */
export function place(demand: Demand, nodes: readonly ObservedNode[], preferred?: string): Placement {
  const reachable = nodes.filter((node) => node.reachable);
  if (reachable.length === 0) {
    const message = nodes.length === 0 ? 'there is no node' : `none of ${nodes.length} nodes answers`;
    return { node: undefined, reason: 'NoNode', message };
  }
  const capable = capableNodes(demand, reachable);
  const fitting = capable.filter((node) => whyNot(demand, node) === undefined);
  const best = fitting.find((node) => node.name === preferred) ?? fitting.toSorted((a, b) => order(demand, a, b))[0];
  if (best) return { node: best.name };
  const whyNone = (node: ObservedNode) => whyNot(demand, node) ?? lackOf(demand, node);
  const message = reachable.map((node) => `${node.name}: ${whyNone(node)}`).join('; ');
  return { node: undefined, reason: reasonOf(demand, capable), message };
}

/** Those that have all that is asked for besides room; all, where none has: the one that is asked says what is missing on it. */
export function capableNodes(demand: Demand, nodes: readonly ObservedNode[]): readonly ObservedNode[] {
  const capable = nodes.filter((node) => lackOf(demand, node) === undefined);
  return capable.some(takesMachines) ? capable : nodes;
}

function lackOf({ network, limits }: Demand, node: ObservedNode): string | undefined {
  const { networksUnavailable, limitsUnavailable } = node;
  if (network && network.egress !== 'none' && networksUnavailable) return 'has no networks for machines';
  if (limits?.cpuPercent !== undefined && limitsUnavailable) return 'cannot limit processor time';
  return undefined;
}

/** Whether it may be given machines. */
export function takesMachines({ reachable, cordoned, draining }: ObservedNode): boolean {
  return reachable && !cordoned && !draining;
}

function reasonOf(demand: Demand, reachable: readonly ObservedNode[]): 'NoNode' | 'NoRoom' | 'TooLarge' {
  const open = reachable.filter(takesMachines);
  if (open.length === 0) return 'NoNode';
  return open.some((node) => demand.cpu <= node.cpus && demand.memory <= node.memoryMiB) ? 'NoRoom' : 'TooLarge';
}

function whyNot(demand: Demand, node: ObservedNode): string | undefined {
  if (node.draining) return 'is being drained';
  if (node.cordoned) return 'is cordoned';
  if (demand.cpu > node.cpus) return `has ${node.cpus} CPUs, ${demand.cpu} asked`;
  if (demand.memory > node.memoryFreeMiB) {
    return `has ${node.memoryFreeMiB} MB free of ${node.memoryMiB} MB, ${demand.memory} MB asked`;
  }
  if (node.machineLimit > 0 && node.machines >= node.machineLimit)
    return `has its limit of ${node.machineLimit} machines`;
  return undefined;
}

function order(demand: Demand, a: ObservedNode, b: ObservedNode): number {
  return (
    worth(demand, b) - worth(demand, a) ||
    a.machinesAlike - b.machinesAlike ||
    b.memoryFreeMiB - a.memoryFreeMiB ||
    a.machines - b.machines ||
    a.name.localeCompare(b.name)
  );
}

/** In tenths of a node's memory. */
function worth({ image, cpu, memory, interpreter = '' }: Demand, node: ObservedNode): number {
  const freeTenths = Math.floor((node.memoryFreeMiB / Math.max(1, node.memoryMiB)) * 10);
  const hasTemplate = node.templates.some(
    (each) => each.image === image && each.cpu === cpu && each.memory === memory && each.interpreter === interpreter,
  );
  return freeTenths + (node.images.includes(image) ? imageWorth : 0) + (hasTemplate ? templateWorth : 0);
}
