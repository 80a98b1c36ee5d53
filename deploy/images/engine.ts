// The command lines of the programs that build container images. Pure.

export const engineNames = ['buildah', 'podman', 'docker'] as const;
export type EngineName = (typeof engineNames)[number];

export interface Build {
  image: string;
  dockerfile: string;
  context: string;
  arguments: Record<string, string>;
}

export function buildCommand(engine: EngineName, { image, dockerfile, context, ...build }: Build): string[] {
  const given = Object.entries(build.arguments).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  // Without namespaces of its own a build runs in containers and on hosts alike; what it runs is Debian's package manager.
  const how = engine === 'docker' ? [] : ['--isolation', 'chroot', '--layers', '--pull=false'];
  return ['build', ...how, ...given, '-t', image, '-f', dockerfile, context];
}

/** Prints the image's id; fails, or prints nothing, when there is none of that name. */
export function identityCommand(image: string): string[] {
  return ['images', '--quiet', '--no-trunc', image];
}

export function removeCommand(identity: string): string[] {
  return ['rmi', identity];
}

/** Writes the image to an archive that containerd, Docker and kind read. */
export function saveCommand(engine: EngineName, image: string, archive: string): string[] {
  if (engine === 'buildah') return ['push', image, `docker-archive:${archive}:${image}`];
  return ['save', '-o', archive, image];
}

export function pushCommand(image: string): string[] {
  return ['push', image];
}
