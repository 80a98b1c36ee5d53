// The image of pods that look around themselves: busybox alone, as an archive that `ctr images import` reads.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tarArchive } from '@tvm/images/testing/tar-archive.ts';
import { busyboxLayer } from '../../e2e/busybox-image.ts';

export const busyboxImage = 'localhost/busybox:1';

/** Packs the image into `folder` and gives the archive's path. Needs busybox-static. */
export async function packBusyboxImage(folder: string): Promise<string> {
  const layer = busyboxLayer('ID=busybox\n');
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['sleep', '1000000'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [busyboxImage], Layers: ['layer.tar'] }];
  const archive = join(folder, 'busybox-image.tar');
  const entries = [
    { name: 'manifest.json', content: JSON.stringify(manifest) },
    { name: 'config.json', content: JSON.stringify(config) },
    { name: 'layer.tar', content: layer },
  ];
  await writeFile(archive, tarArchive(entries));
  return archive;
}
