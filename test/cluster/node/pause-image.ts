// The image of the container that holds a pod's namespaces: one static program, as an archive that `ctr images import` reads.
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { outputOf } from '../run-command.ts';

const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

/** Packs the program into `folder` and gives the archive's path. */
export async function packPauseImage(pause: string, name: string, folder: string): Promise<string> {
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  await copyFile(pause, join(root, 'pause'));
  await outputOf('tar', ['-C', root, '--owner=0', '--group=0', '-cf', join(folder, 'layer.tar'), 'pause']);
  const digest = createHash('sha256')
    .update(await readFile(join(folder, 'layer.tar')))
    .digest('hex');
  const config = {
    architecture: architectures[arch()],
    os: 'linux',
    config: { Cmd: ['/pause'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'image.tar');
  await outputOf('tar', ['-C', folder, '-cf', archive, 'manifest.json', 'config.json', 'layer.tar']);
  return archive;
}
