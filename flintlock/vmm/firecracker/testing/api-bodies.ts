// What Firecracker's API takes: its fields, types and bounds, as far as they are used here. A field that it does not know is
// refused, as by Firecracker itself.
import { z } from 'zod';

const tokenBucket = z.strictObject({
  size: z.int().min(0),
  refill_time: z.int().min(0),
  one_time_burst: z.int().min(0).optional(),
});
const rateLimiter = z.strictObject({ bandwidth: tokenBucket.optional(), ops: tokenBucket.optional() });

export const bodies = {
  'PUT /machine-config': z.strictObject({
    vcpu_count: z.int().min(1).max(32),
    mem_size_mib: z.int().min(1),
    smt: z.boolean().optional(),
    track_dirty_pages: z.boolean().optional(),
    huge_pages: z.enum(['None', '2M']).optional(),
  }),
  'PUT /boot-source': z.strictObject({
    kernel_image_path: z.string(),
    initrd_path: z.string().optional(),
    boot_args: z.string().optional(),
  }),
  'PUT /drives': z.strictObject({
    drive_id: z.string(),
    is_root_device: z.boolean(),
    path_on_host: z.string(),
    is_read_only: z.boolean().optional(),
    cache_type: z.enum(['Unsafe', 'Writeback']).optional(),
    io_engine: z.enum(['Sync', 'Async']).optional(),
    rate_limiter: rateLimiter.optional(),
  }),
  'PATCH /drives': z.strictObject({
    drive_id: z.string(),
    path_on_host: z.string().optional(),
    rate_limiter: rateLimiter.optional(),
  }),
  'PUT /network-interfaces': z.strictObject({
    iface_id: z.string(),
    host_dev_name: z.string(),
    guest_mac: z.string().optional(),
    rx_rate_limiter: rateLimiter.optional(),
    tx_rate_limiter: rateLimiter.optional(),
  }),
  'PUT /vsock': z.strictObject({ guest_cid: z.int().min(3), uds_path: z.string() }),
  'PUT /entropy': z.strictObject({ rate_limiter: rateLimiter.optional() }),
  'PUT /balloon': z.strictObject({
    amount_mib: z.int().min(0),
    deflate_on_oom: z.boolean(),
    stats_polling_interval_s: z.int().min(0).optional(),
    free_page_reporting: z.boolean().optional(),
  }),
  'PUT /actions': z.strictObject({ action_type: z.enum(['InstanceStart', 'FlushMetrics', 'SendCtrlAltDel']) }),
  'PATCH /vm': z.strictObject({ state: z.enum(['Paused', 'Resumed']) }),
  'PUT /snapshot/create': z.strictObject({
    snapshot_type: z.enum(['Full', 'Diff']).optional(),
    snapshot_path: z.string(),
    mem_file_path: z.string(),
  }),
  'PUT /snapshot/load': z.strictObject({
    snapshot_path: z.string(),
    mem_backend: z.strictObject({ backend_type: z.enum(['File', 'Uffd']), backend_path: z.string() }),
    track_dirty_pages: z.boolean().optional(),
    resume_vm: z.boolean().optional(),
    network_overrides: z.array(z.strictObject({ iface_id: z.string(), host_dev_name: z.string() })).optional(),
    vsock_override: z.strictObject({ uds_path: z.string() }).optional(),
  }),
} as const;

export type Operation = keyof typeof bodies;

/** The operation of a request; undefined: there is no such one. */
export function operationOf(method: string, path: string): Operation | undefined {
  const general = path.replace(/^(\/drives|\/network-interfaces)\/\w+$/, '$1');
  return Object.keys(bodies).find((name): name is Operation => name === `${method} ${general}`);
}
