// MicroVMSnapshot: the memory, devices and disk of a machine at one moment.
import { z } from 'zod';
import { celRules, conditions, type Kind, type KubeObject } from './meta.ts';

export const microVmSnapshotSpec = z
  .object({
    source: z
      .object({ microVM: z.string().min(1).max(253).meta({ description: 'Name of a MicroVM of the same namespace.' }) })
      .meta({
        description: 'What is snapshotted. Immutable.',
        ...celRules({ rule: 'self == oldSelf', message: 'source is immutable: make a new MicroVMSnapshot' }),
      }),
    deletionPolicy: z
      .enum(['Delete', 'Retain'])
      .default('Delete')
      .meta({ description: 'What becomes of the files when the object is deleted.' }),
  })
  .meta({ description: 'Which machine to snapshot.' });

export const microVmSnapshotStatus = z.object({
  phase: z.enum(['Pending', 'InProgress', 'Ready', 'Failed']).optional(),
  readyToUse: z.boolean().optional(),
  sizeBytes: z.int().optional(),
  hosts: z.array(z.string()).optional().meta({ description: 'The flintlocks that hold the files, or write them.' }),
  image: z.string().optional().meta({ description: 'Of the machine; a MicroVM that starts from it has the same.' }),
  cpu: z.int().optional(),
  memory: z.int().optional().meta({ description: 'MB' }),
  createdAt: z.string().optional().meta({ format: 'date-time' }),
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
});

/** Holds a MicroVMSnapshot back until its files are gone from the nodes, or are retained. */
export const snapshotFinalizer = 'vvm.tvm.github.com/snapshot';

export type MicroVmSnapshotSpec = z.infer<typeof microVmSnapshotSpec>;
export type MicroVmSnapshotStatus = z.infer<typeof microVmSnapshotStatus>;
export type MicroVmSnapshot = KubeObject<MicroVmSnapshotSpec, MicroVmSnapshotStatus>;

export const microVmSnapshotKind: Kind = {
  kind: 'MicroVMSnapshot',
  plural: 'microvmsnapshots',
  singular: 'microvmsnapshot',
  shortNames: ['mvmsnap'],
  categories: ['tvm'],
  description: 'The memory, devices and disk of a MicroVM at one moment.',
  spec: microVmSnapshotSpec,
  status: microVmSnapshotStatus,
  columns: [
    { name: 'Source', type: 'string', jsonPath: '.spec.source.microVM' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Ready', type: 'boolean', jsonPath: '.status.readyToUse' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Bytes', type: 'integer', jsonPath: '.status.sizeBytes' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
};
