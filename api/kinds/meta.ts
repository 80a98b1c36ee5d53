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

export const observedGeneration = z.int().meta({
  description: 'The metadata.generation that this speaks of; a lower one than the object has is out of date.',
});

export const condition = z
  .object({
    type: z.string().meta({ description: 'What the condition is about, in CamelCase.' }),
    status: z
      .enum(['True', 'False', 'Unknown'])
      .meta({ description: 'Whether it holds; Unknown when that cannot be told now.' }),
    reason: z.string().meta({ description: 'Why, one CamelCase word for programs.' }),
    message: z.string().meta({ description: 'Why, one sentence for people.' }),
    lastTransitionTime: z.string().meta({ description: 'When status last changed.', format: 'date-time' }),
    observedGeneration: observedGeneration.optional(),
  })
  .meta({ description: 'One aspect of the state of the object.' });
export type Condition = z.infer<typeof condition>;

/** Conditions as a list that server-side apply merges by type. */
export const conditions = z.array(condition).meta({
  description:
    'Aspects of the state of the object, one of each type; "kubectl wait --for=condition=TYPE" waits for one.',
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
});

/** The name of another object of the same namespace. `description` says of which. */
export function objectNameSchema(description: string) {
  return z
    .string()
    .min(1)
    .max(253)
    .regex(
      /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
      'must be the name of an object: lower-case letters, digits, "-" and "."',
    )
    .meta({ description });
}

const maxDurationSeconds = 315_360_000;

/** A whole number of seconds from 1 on, ten years at most. */
export const durationSeconds = z.int().min(1).max(maxDurationSeconds);

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
  /** Longest metadata.name; none: as long as Kubernetes allows. */
  maxNameLength?: number;
  /** What `--field-selector` may select by, beside metadata.name and metadata.namespace: ".status.phase", … */
  selectableFields: string[];
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
}

export interface CelRule {
  rule: string;
  message: string;
  /** The field that the error names, relative to where the rule stands: ".args". None: that place itself. */
  fieldPath?: string;
}

/** CEL rules as Kubernetes wants them, put into a schema by `.meta(celRules(...))`. */
export function celRules(...rules: CelRule[]) {
  return { 'x-kubernetes-validations': rules };
}

/** The rule of a field that keeps the value it was made with. */
export function immutable(field: string, kind: string): CelRule {
  return { rule: 'self == oldSelf', message: `${field} is immutable: make a new ${kind}` };
}

/** The rule for the object around an optional immutable field, whose own rule does not see it come or go. */
export function neverAddedNorRemoved(field: string, kind: string): CelRule {
  return {
    rule: `has(self.${field}) == has(oldSelf.${field})`,
    message: `${field} is immutable: make a new ${kind}`,
    fieldPath: `.${field}`,
  };
}

/** The shape of a custom object as clients see it. */
export interface KubeObject<Spec = unknown, Status = unknown> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}
