// REST of declared machines: /v1/microvms. A machine is addressed by name, with ?namespace= (default: "default").
//
//   POST   /v1/microvms                      microVmCreate -> microVmView (201)
//   GET    /v1/microvms                      {items: microVmView[]}; Accept: text/event-stream: watch (watchEvent)
//   GET    /v1/microvms/{name}               microVmView
//   DELETE /v1/microvms/{name}               202, microVmView
//   POST   /v1/microvms/{name}/{start|stop|pause|resume}   microVmView, after desiredState was written
//   GET    /v1/microvms/{name}/exec          WebSocket, see stream.ts
//   GET    /v1/microvms/{name}/processes     {processes: processView[]}
//   GET    /v1/microvms/{name}/logs?follow=&tailLines=     text/plain stream; also tailBytes, sinceSeconds, timestamps, source
//   GET    /v1/microvms/{name}/metrics       usageView
//   GET    /v1/microvms/{name}/files?path=&depth=          {files: fileView[]}: a directory's entries, sorted
//   GET    /v1/microvms/{name}/files/stat?path=            fileView
//   GET    /v1/microvms/{name}/files/content?path=         bytes; header Tvm-File: fileView as URI-encoded JSON
//   PUT    /v1/microvms/{name}/files/content?path=&mode=&mtimeMs=&makeParents=   bytes -> fileView
//   POST   /v1/microvms/{name}/files         fileOperation -> fileView
//   DELETE /v1/microvms/{name}/files?path=&recursive=      204
//   POST   /v1/microvms/{name}/{snapshot|fork}             see snapshots.ts
//   GET    /v1/status                        statusView
import { z } from 'zod';
import { type MicroVmSpec, microVmSpec, microVmStatus } from '../kinds/microvm.ts';

export const objectName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'lower-case letters, digits and "-", as Kubernetes wants names')
  .max(63);

export const microVmCreate = z.strictObject({
  name: objectName.optional().meta({ description: 'Default: a generated one.' }),
  namespace: objectName.optional(),
  labels: z.record(z.string(), z.string()).optional(),
  spec: microVmSpec.strict(),
});
export type MicroVmCreate = z.input<typeof microVmCreate>;

export const microVmView = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  createdAt: z.string(),
  deleting: z.boolean(),
  labels: z.record(z.string(), z.string()),
  spec: microVmSpec,
  status: microVmStatus,
});
export type MicroVmView = z.infer<typeof microVmView>;

/** For whoever reads a view: a spec that is older than a rule of its kind, and breaks it, is taken as it is. */
export const storedMicroVmView = microVmView.extend({
  spec: microVmSpec.catch(({ input }) => input as MicroVmSpec),
});

export const watchEvent = z.object({ type: z.enum(['added', 'modified', 'deleted']), object: microVmView });
export type WatchEvent = z.infer<typeof watchEvent>;

export const fileView = z.object({
  path: z.string(),
  type: z.enum(['file', 'directory', 'symlink', 'other']),
  size: z.int(),
  mode: z.int().meta({ description: 'Permission bits, 0 to 4095.' }),
  uid: z.int(),
  gid: z.int(),
  mtimeMs: z.number(),
  linkTarget: z.string().optional(),
});
export type FileView = z.infer<typeof fileView>;

export const fileOperation = z.discriminatedUnion('operation', [
  z.strictObject({
    operation: z.literal('move'),
    from: z.string(),
    to: z.string(),
    overwrite: z.boolean().default(false),
  }),
  z.strictObject({
    operation: z.literal('makeDirectory'),
    path: z.string(),
    mode: z.int().min(0).max(0o7777).optional(),
    parents: z.boolean().default(false),
  }),
]);
export type FileOperation = z.input<typeof fileOperation>;

export const processView = z.object({
  id: z.string(),
  pid: z.int(),
  argv: z.array(z.string()),
  exitCode: z.int().optional(),
});

export const usageView = z.object({
  memoryTotalBytes: z.int(),
  memoryAvailableBytes: z.int(),
  diskTotalBytes: z.int(),
  diskFreeBytes: z.int(),
  cpuTimeMs: z.int(),
  processCount: z.int(),
  vmmResidentBytes: z.int(),
  vmmCpuTimeMs: z.int(),
  /** Of all its disks since its VMM started; absent where the VMM does not count it. */
  diskTraffic: z.object({ readBytes: z.int(), writtenBytes: z.int(), reads: z.int(), writes: z.int() }).optional(),
  /** Since its VMM started; absent without a network interface. */
  networkTraffic: z.object({ receivedBytes: z.int(), sentBytes: z.int() }).optional(),
});

export const statusView = z.object({
  version: z.string(),
  nodes: z.array(
    z.object({
      name: z.string(),
      reachable: z.boolean(),
      driver: z.string(),
      accelerator: z.string(),
      acceleratorReason: z.string(),
      confinement: z
        .string()
        .default('')
        .meta({ description: 'How machine monitors are confined: full, namespaces, none; empty: it does not tell.' }),
      confinementReason: z.string().default('').meta({ description: 'Why not fully.' }),
      networksUnavailable: z
        .string()
        .default('')
        .meta({ description: 'Why machines there can have no network; empty: they can.' }),
      limitsUnavailable: z
        .string()
        .default('')
        .meta({ description: 'Why cpuPercent cannot be had there; empty: it can.' }),
      cpus: z.int(),
      memoryMiB: z.int(),
      memoryFreeMiB: z.int(),
      machines: z.int(),
    }),
  ),
  pools: z.array(
    z.object({
      image: z.string(),
      cpu: z.int(),
      memory: z.int(),
      interpreter: z.string().default('').meta({ description: 'The interpreter that waits in its machines.' }),
      waiting: z.int(),
      making: z.int(),
      wanted: z.int().default(0).meta({ description: 'How many should wait, as demand stands.' }),
    }),
  ),
});
export type StatusView = z.infer<typeof statusView>;
