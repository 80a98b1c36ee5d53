// REST of pools: /v1/pools. Everything takes ?namespace= (default: "default").
//
//   POST   /v1/pools                 poolCreate -> poolView (201)
//   GET    /v1/pools                 {items: poolView[]}
//   GET    /v1/pools/{name}          poolView
//   DELETE /v1/pools/{name}          202, poolView
//   POST   /v1/pools/{name}/scale    poolScale -> poolView
import { z } from 'zod';
import { microVmPoolSpec, microVmPoolStatus } from '../kinds/microvm-pool.ts';
import { objectName } from './microvms.ts';

export const poolCreate = z.strictObject({
  name: objectName,
  namespace: objectName.optional(),
  spec: microVmPoolSpec.strict(),
});
export type PoolCreate = z.input<typeof poolCreate>;

const count = z.int().min(0).max(10_000);

export const poolScale = z
  .strictObject({
    minReady: count.optional(),
    maxReady: count.nullable().optional().meta({ description: 'null: none.' }),
  })
  .refine(({ minReady, maxReady }) => minReady === undefined || typeof maxReady !== 'number' || minReady <= maxReady, {
    path: ['maxReady'],
    message: 'not less than minReady',
  });
export type PoolScale = z.input<typeof poolScale>;

export const poolView = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  createdAt: z.string(),
  spec: microVmPoolSpec,
  status: microVmPoolStatus,
});
export type PoolView = z.infer<typeof poolView>;
