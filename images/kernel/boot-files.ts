// Joins a kernel and the guest agent to what a VMM starts. Invariant: the initramfs is published under the digest of its
// content and its kernel's, so a path that was handed out never changes its content.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cache } from '../cache.ts';
import type { BootFiles } from '../contract.ts';
import { fileDigest, keyOf, makeFileMemo } from '../digest.ts';
import { canRead } from '../tools.ts';
import { makeInitramfs } from './initramfs.ts';
import type { Kernel } from './kernel.ts';

const initrdFile = 'initrd';

/** Remembers what it made last: agent and modules are named by their content, and the kernel's version is looked at. */
export function makeBootFilesMaker(cache: Cache): (kernel: Kernel, agentPath: string) => Promise<BootFiles> {
  const kernelDigest = makeFileMemo(fileDigest);
  let last: { from: string; files: BootFiles } | undefined;
  return async (kernel, agentPath) => {
    const digest = await kernelDigest(kernel.vmlinuxPath);
    const from = JSON.stringify([digest, kernel, agentPath]);
    if (last?.from === from && canRead(last.files.initrdPath)) return last.files;
    const files = await makeBootFiles(cache, kernel, digest, agentPath);
    last = { from, files };
    return files;
  };
}

async function makeBootFiles(
  cache: Cache,
  kernel: Kernel,
  kernelDigest: string,
  agentPath: string,
): Promise<BootFiles> {
  const modules = kernel.modulePaths.map(async (path) => ({ path, content: await readFile(path) }));
  const initramfs = makeInitramfs({ agent: await readFile(agentPath), modules: await Promise.all(modules) });
  const key = keyOf(kernelDigest, initramfs);
  const initrdPath = cache.path('boot', key, initrdFile);
  if (!canRead(initrdPath)) {
    await using staging = await cache.staging();
    await writeFile(join(staging.path, initrdFile), initramfs);
    await cache.publish(staging, 'boot', key);
  }
  return {
    kernelPath: kernel.vmlinuxPath,
    initrdPath,
    kernelArgs: kernel.kernelArgs,
    kernelVersion: kernel.version,
    digest: `sha256:${key}`,
    needsAcpi: kernel.needsAcpi,
  };
}
