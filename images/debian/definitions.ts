// The default images, as data. A change here gives the image a new key, so that it is made again.
import type { ImageConfig } from '../contract.ts';

export interface DebianImage {
  reference: string;
  packages: string[];
  config: ImageConfig;
}

// What one misses first in a bare Debian when looking around in a shell.
const shellPackages = ['procps', 'less'];

const baseConfig = {
  env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
  user: '',
  workdir: '/root',
  entrypoint: [],
};

export const debianImages: DebianImage[] = [
  {
    reference: 'tvm/python',
    packages: ['python3', ...shellPackages],
    config: { ...baseConfig, cmd: ['python3'] },
  },
  {
    reference: 'tvm/node',
    // python3 as well: what agents' sessions use has all languages, and npm needs it to build native packages.
    packages: ['nodejs', 'python3', ...shellPackages],
    config: { ...baseConfig, cmd: ['node'] },
  },
];

/** Paths that dpkg leaves out: nothing that runs needs them. Licences stay. */
export const excludedPaths = [
  '--path-exclude=/usr/share/doc/*',
  '--path-include=/usr/share/doc/*/copyright',
  '--path-exclude=/usr/share/man/*',
  '--path-exclude=/usr/share/info/*',
  '--path-exclude=/usr/share/locale/*',
  '--path-exclude=/usr/share/lintian/*',
];
