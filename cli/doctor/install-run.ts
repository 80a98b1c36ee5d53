// The run of vvm doctor --install-firecracker.
import { firecrackerRelease } from '@tvm/kit/firecracker-release.ts';
import type { Context } from '../context.ts';
import { installFirecracker } from './install-firecracker.ts';

export async function install({ config, progress }: Context): Promise<void> {
  const release = { ...firecrackerRelease, baseUrl: config.firecrackerUrl };
  const folder = await installFirecracker({ release, cacheDir: config.cache, say: progress.say });
  progress.say(`Firecracker ${release.version} and its jailer are in ${folder}`);
  await progress.clear();
}
