// What kind of machine one is. Machines of one shape are alike to whoever runs code in them.
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { MachineLimits } from '@tvm/api/kinds/microvm.ts';
import type { NetworkSpec } from '@tvm/api/kinds/network.ts';
import { limitsIn } from '@tvm/api/rpc-limits.ts';
import { networkKey } from '../network.ts';

export interface Shape {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
  /** The interpreter that waits in it for a script: "python", "node"; none: "". */
  interpreter: string;
  /** What it may reach; undefined: it has no network. None with one is ever kept waiting. */
  network?: NetworkSpec | undefined;
  limits?: MachineLimits | undefined;
  /** Whose credentials the image was pulled with; undefined: nobody's. Waiting ones are for those who name the same alone. */
  pullSecrets?: PullSecrets | undefined;
}

/** Secrets by their names. */
export interface PullSecrets {
  namespace: string;
  names: string[];
}

export function keyOfShape(shape: Shape): string {
  return `${shape.interpreter}|${sizeKey(shape)}`;
}

/** Whether the same code runs in both, though one may start it more slowly. */
export function sameSize(a: Shape, b: Shape): boolean {
  return sizeKey(a) === sizeKey(b);
}

function sizeKey({ image, cpu, memory, network, limits, pullSecrets }: Shape): string {
  const limited = Object.entries(limits ?? {}).sort();
  return JSON.stringify([image, cpu, memory, networkKey(network), limited, pullLabel(pullSecrets)]);
}

export function shapeOf({ spec, labels }: Machine): Shape {
  const { image = '', cpus = 0, memoryMib = 0, interpreter = '', network, limits } = spec ?? {};
  const pullSecrets = pullSecretsIn(labels);
  return {
    ...{ image, cpu: cpus, memory: memoryMib, interpreter },
    ...(network && { network: network as NetworkSpec }),
    ...(limits && { limits: limitsIn(limits) }),
    ...(pullSecrets && { pullSecrets }),
  };
}

const pullLabelName = 'pull-secrets';

/** Names of objects have neither "/" nor ",". */
function pullLabel(pullSecrets: PullSecrets | undefined): string {
  return pullSecrets ? `${pullSecrets.namespace}/${pullSecrets.names.toSorted().join(',')}` : '';
}

/** What a machine tells of them: names, no secrets. */
export function pullLabels({ pullSecrets }: Shape): Record<string, string> {
  return pullSecrets ? { [pullLabelName]: pullLabel(pullSecrets) } : {};
}

function pullSecretsIn(labels: Record<string, string>): PullSecrets | undefined {
  const [namespace, names] = labels[pullLabelName]?.split('/') ?? [];
  return namespace === undefined || names === undefined ? undefined : { namespace, names: names.split(',') };
}
