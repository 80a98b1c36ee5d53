// What a namespace may have at once: machines, CPUs, memory. Pure. The limits are entries of the namespace's ResourceQuotas,
// under names of our own, which Kubernetes keeps and does not count itself.
import { group } from '@tvm/api/kinds/meta.ts';
import type { ApiObject, Resource } from '@tvm/kit/kube/client.ts';
import { parseQuantity } from './quantity.ts';

export interface ResourceQuota extends ApiObject {
  spec?: { hard?: Record<string, string | number> };
  status?: { hard?: Record<string, string | number>; used?: Record<string, string | number> };
}

export const resourceQuotas: Resource<ResourceQuota> = {
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  namespaced: true,
};

export const measures = ['machines', 'cpu', 'memory'] as const;
export type Measure = (typeof measures)[number];

/** Memory is in bytes. */
export type Size = Record<Measure, number>;

/** What is absent is not limited. */
export type Limits = Partial<Size>;

export const nothing: Readonly<Size> = { machines: 0, cpu: 0, memory: 0 };

const bytesPerMB = 1_048_576;

/** One machine of this size; `memory` in MB, as specs have it. */
export function sizeOf({ cpu, memory }: { cpu: number; memory: number }): Size {
  return { machines: 1, cpu, memory: memory * bytesPerMB };
}

export function plus(a: Readonly<Size>, b: Readonly<Size>): Size {
  return { machines: a.machines + b.machines, cpu: a.cpu + b.cpu, memory: a.memory + b.memory };
}

export function times({ machines, cpu, memory }: Readonly<Size>, count: number): Size {
  return { machines: machines * count, cpu: cpu * count, memory: memory * count };
}

/** The name of a limit in a ResourceQuota: vvm.tvm.github.com/memory. */
export function nameOf(measure: Measure): string {
  return `${group}/${measure}`;
}

/** The strictest of each; `fallback` holds for what none of them names. An entry that is no quantity allows nothing. */
export function limitsOf(quotas: readonly ResourceQuota[], fallback: Limits): Limits {
  const limits: Limits = {};
  for (const measure of measures) {
    const said = quotas.flatMap(({ spec }) => {
      const text = spec?.hard?.[nameOf(measure)];
      return text === undefined ? [] : [parseQuantity(String(text)) ?? 0];
    });
    const limit = said.length > 0 ? Math.min(...said) : fallback[measure];
    if (limit !== undefined) limits[measure] = limit;
  }
  return limits;
}

/** Why one more of this size is too much, in one sentence with the numbers; undefined: it is not. */
export function whyTooMuch(limits: Limits, used: Readonly<Size>, wanted: Readonly<Size>): string | undefined {
  const over = measures.filter((measure) => used[measure] + wanted[measure] > (limits[measure] ?? Infinity));
  if (over.length === 0) return undefined;
  return over
    .map((measure) => {
      const [limit, now, more] = [limits[measure] ?? 0, used[measure], wanted[measure]].map((each) =>
        say(measure, each),
      );
      return `${nameOf(measure)} is limited to ${limit}, ${now} is used, ${more} more is asked for`;
    })
    .join('; ');
}

/** As Kubernetes writes it; memory is of whole MB. */
export function quantityOf(measure: Measure, value: number): string {
  return measure === 'memory' ? `${value / bytesPerMB}Mi` : String(value);
}

function say(measure: Measure, value: number): string {
  return measure === 'memory' ? `${Math.round(value / bytesPerMB)} MB` : String(value);
}
