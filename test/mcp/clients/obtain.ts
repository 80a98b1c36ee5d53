// The clients that the tests drive, installed into the cache once: the inspector's CLI and a Python environment.
// Invariant: exact versions; a folder is only used when its installation was finished.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentWith } from '../../config.ts';
import { startProgram } from '../../e2e/program.ts';

const inspector = '@modelcontextprotocol/inspector@2.12.0';
const pythonPackages = ['mcp==2.3.0', 'fastmcp==4.2.3'];
const timeoutMs = 600_000;

async function run(file: string, args: string[]): Promise<void> {
  const { code, stdout, stderr } = await startProgram(file, args, { env: environmentWith({}), timeoutMs }).finished;
  if (code !== 0) throw new Error(`${file} ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
}

async function installed(folder: string, install: (into: string) => Promise<void>): Promise<string> {
  const done = join(folder, '.installed');
  if (existsSync(done)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await install(folder);
  writeFileSync(`${done}.new`, '');
  renameSync(`${done}.new`, done);
  return folder;
}

/** The path of the inspector's program, for Node. */
export async function obtainInspector(cacheFolder: string): Promise<string> {
  const folder = await installed(join(cacheFolder, 'mcp-clients/inspector-2.12.0'), async (into) => {
    await run('npm', ['install', '--prefix', into, '--no-audit', '--no-fund', '--ignore-scripts', inspector]);
  });
  return join(folder, 'node_modules/.bin/mcp-inspector');
}

/** The path of a Python that has the libraries. */
export async function obtainPython(cacheFolder: string): Promise<string> {
  const folder = await installed(join(cacheFolder, 'mcp-clients/python-mcp-2.3.0-fastmcp-4.2.3'), async (into) => {
    await run('python3', ['-m', 'venv', into]);
    await run(join(into, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...pythonPackages]);
  });
  return join(folder, 'bin/python');
}
