// What the objects of all kinds share: metadata, conditions, and how a kind is described to an API server.
import { z } from 'zod';

export const group = 'vvm.tvm.github.com';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}` as const;

export const ownerReference = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});

export const objectMeta = z.looseObject({
  name: z.string(),
  generateName: z.string().optional(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.number().int().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(ownerReference).optional(),
});
export type ObjectMeta = z.infer<typeof objectMeta>;

export const condition = z
  .object({
    type: z.string().meta({ description: 'What the condition is about, in CamelCase.' }),
    status: z.enum(['True', 'False', 'Unknown']),
    reason: z.string().meta({ description: 'Why, one CamelCase word for programs.' }),
    message: z.string().meta({ description: 'Why, one sentence for people.' }),
    lastTransitionTime: z.string().meta({ format: 'date-time' }),
    observedGeneration: z.int().optional(),
  })
  .meta({ description: 'One aspect of the state of the object.' });
export type Condition = z.infer<typeof condition>;

/** Conditions as a list that server-side apply merges by type. */
export const conditions = z
  .array(condition)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

export interface PrinterColumn {
  name: string;
  type: 'string' | 'integer' | 'date' | 'boolean' | 'number';
  jsonPath: string;
  description?: string;
  /** 1 hides the column unless `-o wide` is given. */
  priority?: number;
  format?: string;
}

/** A custom kind: its names, its schemas and how it is printed. CRDs, OpenAPI and validation come from this. */
export interface Kind {
  kind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  description: string;
  spec: z.ZodType;
  status: z.ZodType;
  columns: PrinterColumn[];
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
}

/** One CEL rule as Kubernetes wants it, put into a schema by `.meta(celRules(...))`. */
export function celRules(...rules: { rule: string; message: string; reason?: string; fieldPath?: string }[]) {
  return { 'x-kubernetes-validations': rules };
}

/** The shape of a custom object as clients see it. */
export interface KubeObject<Spec = unknown, Status = unknown> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}
