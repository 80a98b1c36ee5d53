// The peer: `runc run` of the same python from the same root filesystem, its own command unmodified.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Scenario } from './sample.ts';
import { expectOutput, type Snippet } from './snippet.ts';

const run = promisify(execFile);

/** Unpacks the root into `folder` and returns the scenario that runs a container from it. */
export async function makeRuncScenario(rootPath: string, folder: string, snippet: Snippet): Promise<Scenario> {
  await run('unsquashfs', ['-q', '-n', '-d', join(folder, 'rootfs'), rootPath]);
  await run('runc', ['spec', '--bundle', folder]);
  const configPath = join(folder, 'config.json');
  const config = JSON.parse(await readFile(configPath, 'utf8'));
  config.process.terminal = false;
  config.process.args = ['python3', '-c', snippet.code];
  await writeFile(configPath, JSON.stringify(config));
  let count = 0;
  return {
    name: 'runc run',
    what: 'runc run of a container: python3 -c to its output and exit',
    run: async () => {
      const { stdout } = await run('runc', ['run', '--bundle', folder, `tvm-bench-${process.pid}-${count++}`]);
      expectOutput('runc run', snippet, stdout);
    },
  };
}
