// REST of disks that outlive their MicroVM (persistentStorage with retain).
//
//   GET    /v1/disks                    {items: diskView[]}, of the nodes that answer
//   DELETE /v1/disks/{name}/{disk}      204; 409 while a machine has it. `name`: of its MicroVM
import { z } from 'zod';

export const diskView = z.object({
  name: z.string(),
  microVM: z.string().meta({ description: 'Name of the MicroVM that it was made for.' }),
  namespace: z.string(),
  node: z.string(),
  sizeMB: z.int(),
  allocatedBytes: z.int().meta({ description: 'What it takes up on its node.' }),
  attached: z.boolean().meta({ description: 'Whether a machine has it now.' }),
});
export type DiskView = z.infer<typeof diskView>;
