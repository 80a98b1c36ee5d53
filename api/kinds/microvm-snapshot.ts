// MicroVMSnapshot: the memory, devices and disk of a machine at one moment.
import { z } from 'zod';
import {
  celRules,
  conditions,
  immutable,
  type Kind,
  type KubeObject,
  objectNameSchema,
  observedGeneration,
} from './meta.ts';

const kindName = 'MicroVMSnapshot';

export const microVmSnapshotSpec = z
  .object({
    source: z
      .object({
        microVM: objectNameSchema('Name of a MicroVM of the same namespace.'),
        retained: objectNameSchema(
          'Files that another MicroVMSnapshot of the same machine had (its status.files) and left behind by the deletionPolicy Retain. They become those of this one; nothing is taken.',
        ).optional(),
      })
      .meta({ description: 'What is snapshotted. Immutable.', ...celRules(immutable('source', kindName)) }),
    deletionPolicy: z.enum(['Delete', 'Retain']).default('Delete').meta({
      description: 'What becomes of the files on the nodes when the object is deleted. Default: Delete.',
    }),
  })
  .meta({ description: 'Which machine to snapshot.' });

export const microVmSnapshotStatus = z
  .object({
    phase: z
      .enum(['Pending', 'InProgress', 'Ready', 'Failed'])
      .optional()
      .meta({ description: 'Where the snapshot is in its life; the condition Ready says why.' }),
    readyToUse: z.boolean().optional().meta({ description: 'Whether a MicroVM can start from it now.' }),
    sizeBytes: z
      .int()
      .optional()
      .meta({ description: 'Bytes of its memory and devices, and what its copies of disks take up, on each host.' }),
    generation: z.int().optional().meta({ description: 'Number among the snapshots of its machine; the first is 1.' }),
    files: z.string().optional().meta({ description: 'Name of its files on the hosts.' }),
    hosts: z
      .array(z.string().meta({ description: 'Name of a node.' }))
      .optional()
      .meta({ description: 'The nodes whose flintlocks hold the files, or write them.' }),
    image: z.string().optional().meta({ description: 'Of the machine; a MicroVM that starts from it has the same.' }),
    cpu: z.int().optional().meta({ description: 'Virtual CPUs of the machine.' }),
    memory: z.int().optional().meta({ description: 'Memory of the machine in MB.' }),
    createdAt: z.string().optional().meta({ description: 'When the files were complete.', format: 'date-time' }),
    observedGeneration: observedGeneration.optional(),
    conditions: conditions.optional(),
  })
  .meta({ description: 'What was last seen of the snapshot; written by lime-ctrl.' });

/** Holds a MicroVMSnapshot back until its files are gone from the nodes, or are retained. */
export const snapshotFinalizer = 'vvm.tvm.github.com/snapshot';

export type MicroVmSnapshotSpec = z.infer<typeof microVmSnapshotSpec>;
export type MicroVmSnapshotStatus = z.infer<typeof microVmSnapshotStatus>;
export type MicroVmSnapshot = KubeObject<MicroVmSnapshotSpec, MicroVmSnapshotStatus>;

export const microVmSnapshotKind: Kind = {
  kind: kindName,
  plural: 'microvmsnapshots',
  singular: 'microvmsnapshot',
  shortNames: ['mvmsnap'],
  categories: ['tvm'],
  description: 'The memory, devices and disk of a MicroVM at one moment.',
  spec: microVmSnapshotSpec,
  status: microVmSnapshotStatus,
  columns: [
    { name: 'Source', type: 'string', jsonPath: '.spec.source.microVM' },
    { name: 'Gen', type: 'integer', jsonPath: '.status.generation' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Ready', type: 'boolean', jsonPath: '.status.readyToUse' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Bytes', type: 'integer', jsonPath: '.status.sizeBytes' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    { name: 'Image', type: 'string', jsonPath: '.status.image', priority: 1 },
    { name: 'Files', type: 'string', jsonPath: '.status.files', priority: 1 },
    { name: 'Hosts', type: 'string', jsonPath: '.status.hosts', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
  selectableFields: ['.spec.source.microVM', '.status.phase', '.status.readyToUse'],
};
