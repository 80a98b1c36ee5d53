// Makes a Debian root folder with mmdebstrap. The arguments are a pure function of what is to be made.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import { withRootRights } from '../root-rights.ts';
import { runChecked, runCommand } from '../run-command.ts';
import { canRead } from '../tools.ts';
import { carriedAptSettings, indexTargetFormat, parseIndexTargets, planSources } from './apt-sources.ts';
import { type DebianImage, excludedPaths } from './definitions.ts';
import { withFreshAptLists } from './fresh-apt-lists.ts';

const queryTimeoutMs = 60_000;
const buildTimeoutMs = 30 * 60_000;
const keyrings = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'];

export interface HostApt {
  suite: string;
  sourcesList: string;
  settings: string[];
}

/** What the host's apt is configured to use. */
export async function readHostApt(signal: AbortSignal): Promise<HostApt> {
  const query = (program: string, args: string[]) => runChecked({ program, args, timeoutMs: queryTimeoutMs, signal });
  const targets = await query('apt-get', ['indextargets', '--format', indexTargetFormat]);
  const settings = await query('apt-config', ['dump']);
  const release = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? '';
  const plan = planSources(parseIndexTargets(targets.stdout.toString()), codename, keyrings.find(canRead));
  return { suite: plan.suite, sourcesList: plan.list, settings: carriedAptSettings(settings.stdout.toString()) };
}

/** The command line of mmdebstrap; `sourcesPath` must end in `.list`. */
export function mmdebstrapArgs(image: DebianImage, apt: HostApt, root: string, sourcesPath: string): string[] {
  const aptOptions = ['Acquire::Languages "none"', 'APT::Install-Recommends "false"', ...apt.settings];
  const dpkgOptions = ['--force-unsafe-io', ...excludedPaths].map((option) => option.slice(2));
  return [
    '--mode=root',
    '--variant=minbase',
    `--include=${image.packages.join(',')}`,
    ...aptOptions.map((option) => `--aptopt=${option}`),
    ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
    // The settings above are for making the root; the host's name, resolver and proxies are no business of a guest.
    '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/resolv.conf',
    '--customize-hook=echo localhost > "$1"/etc/hostname',
    '--customize-hook=printf "127.0.0.1 localhost\\n::1 localhost\\n" > "$1"/etc/hosts',
    apt.suite,
    root,
    sourcesPath,
  ];
}

/** Makes the root folder `root` (which must not exist) using `workDir` for small files. */
export async function makeDebianRoot(
  image: DebianImage,
  folders: { root: string; workDir: string },
  onProgress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const apt = await withFreshAptLists(onProgress, signal, () => readHostApt(signal));
  const sourcesPath = join(folders.workDir, 'debian.list');
  await writeFile(sourcesPath, apt.sourcesList);
  const complaints: string[] = [];
  const result = await runCommand(
    withRootRights({
      program: 'mmdebstrap',
      args: mmdebstrapArgs(image, apt, folders.root, sourcesPath),
      // Where it leaves its keys' folder when it is killed.
      env: { TMPDIR: folders.workDir },
      timeoutMs: buildTimeoutMs,
      signal,
      onLine: (line) => {
        const step = /^I: (.*?)(\.\.\.)?$/.exec(line)?.[1];
        if (step && isTold(step)) onProgress(step);
        if (/^(E|W|Err):/.test(line)) complaints.push(line);
      },
    }),
  );
  if (result.exitCode !== 0) throw mmdebstrapError(image, complaints);
}

function isTold(step: string): boolean {
  return /^(running apt-get update|downloading|extracting|installing|cleaning)/.test(step);
}

function mmdebstrapError(image: DebianImage, complaints: string[]): TvmError {
  const words = complaints.slice(-6).join('; ') || 'mmdebstrap failed without a word';
  const offline = /Could not (resolve|connect)|Temporary failure|Failed to fetch|timed out/i.test(words);
  return new TvmError(offline ? 'unavailable' : 'internal', `making ${image.reference} failed: ${words}`, {
    reason: 'ImageBuildFailed',
    ...(offline ? { hint: 'Check that apt-get update works on this host (network, proxy, mirror).' } : {}),
  });
}
