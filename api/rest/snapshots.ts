// REST of snapshots and forks. Everything takes ?namespace= (default: "default").
//
//   POST   /v1/microvms/{name}/snapshot      snapshotCreate -> snapshotView (201)
//   POST   /v1/microvms/{name}/fork          forkRequest -> forkView (201)
//   GET    /v1/snapshots                     {items: snapshotView[]}
//   GET    /v1/snapshots/{name}              snapshotView
//   DELETE /v1/snapshots/{name}              202, snapshotView
// A machine starts from a snapshot by POST /v1/microvms with spec.snapshot.
import { z } from 'zod';
import { microVmSnapshotStatus } from '../kinds/microvm-snapshot.ts';
import { microVmView, objectName } from './microvms.ts';

export const maxForks = 64;

export const snapshotCreate = z.strictObject({
  name: objectName.optional().meta({ description: 'Default: a generated one.' }),
  deletionPolicy: z.enum(['Delete', 'Retain']).optional(),
});
export type SnapshotCreate = z.input<typeof snapshotCreate>;

export const snapshotView = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  createdAt: z.string(),
  deleting: z.boolean(),
  microVM: z.string().meta({ description: 'The machine that it is of.' }),
  deletionPolicy: z.enum(['Delete', 'Retain']),
  status: microVmSnapshotStatus,
});
export type SnapshotView = z.infer<typeof snapshotView>;

export const forkRequest = z
  .strictObject({
    count: z
      .int()
      .min(1)
      .max(maxForks)
      .optional()
      .meta({ description: 'How many machines. Default: one for each name, or 1.' }),
    names: z.array(objectName).min(1).max(maxForks).optional().meta({ description: 'Default: generated ones.' }),
  })
  .refine(({ count, names }) => count === undefined || names === undefined || names.length === count, {
    path: ['names'],
    message: 'as many names as machines, or none',
  })
  .refine(({ names }) => names === undefined || new Set(names).size === names.length, {
    path: ['names'],
    message: 'each name once',
  });
export type ForkRequest = z.input<typeof forkRequest>;

export const forkView = z.object({
  snapshot: z.string().meta({ description: 'What the machines start from; it goes with the last of them.' }),
  items: z.array(microVmView),
});
export type ForkView = z.infer<typeof forkView>;
