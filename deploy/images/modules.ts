// Which npm packages a part needs in production. Invariant: what it lists is installed; dependencies of development are not in it.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';

interface Manifest {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** Folders of installed packages, relative to `root`, that the source folders need: themselves and what those need in turn. */
export function productionModules(root: string, sources: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (folder: string) => {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifestOf(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (name.startsWith('@types/') || name === 'typescript') continue;
      const installed = resolve(root, folder, name);
      if (installed === undefined && name in dependencies) throw missing(name, folder);
      if (installed === undefined || found.has(installed)) continue;
      found.add(installed);
      visit(installed);
    }
  };
  for (const source of sources) if (existsSync(join(root, source, 'package.json'))) visit(join(root, source));
  return [...found].map((folder) => relative(root, folder)).sort();
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** As Node does: the nearest node_modules that has it, from the folder up to the checkout's own. */
function resolve(root: string, from: string, name: string): string | undefined {
  for (let folder = from; folder.startsWith(root); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
  }
  return undefined;
}

function missing(name: string, folder: string): TvmError {
  return new TvmError('failed_precondition', `${folder} needs the npm package ${name}, which is not installed`, {
    hint: 'Run scripts/setup.sh.',
  });
}
