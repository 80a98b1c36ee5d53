// A kernel in the cache: a folder with vmlinux, kernel.json and, for a kernel with modules, modules/NN-name.ko.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';

export interface Kernel {
  version: string;
  vmlinuxPath: string;
  /** Uncompressed objects in the order of loading. */
  modulePaths: string[];
  needsAcpi: boolean;
  kernelArgs: string[];
}

const descriptionSchema = z.object({
  version: z.string(),
  needsAcpi: z.boolean(),
  kernelArgs: z.array(z.string()),
});
export type KernelDescription = z.infer<typeof descriptionSchema>;

const descriptionFile = 'kernel.json';
export const vmlinuxFile = 'vmlinux';
export const modulesFolder = 'modules';

export async function writeKernelDescription(folder: string, description: KernelDescription): Promise<void> {
  await writeFile(join(folder, descriptionFile), JSON.stringify(description, undefined, 2));
}

/** The kernel in a published folder. */
export async function readKernel(folder: string): Promise<Kernel> {
  const description = descriptionSchema.parse(JSON.parse(await readFile(join(folder, descriptionFile), 'utf8')));
  const modules = await namesIn(join(folder, modulesFolder));
  return {
    ...description,
    vmlinuxPath: join(folder, vmlinuxFile),
    modulePaths: modules.map((name) => join(folder, modulesFolder, name)),
  };
}

/** Names in a folder, sorted by numbers within them (`6.9` before `6.12`); none when it does not exist. */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
