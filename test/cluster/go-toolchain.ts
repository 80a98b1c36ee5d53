// A Go new enough to compile Kubernetes, obtained with whatever go command the machine has.
// Since 1.21 the go command fetches the toolchain that a module asks for by itself. An older one (Debian 12 has 1.19) can
// still fetch it as a module, checked against the checksum database, but leaves files without their modes and names.
import { chmod, cp, readdir, rename, rm } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { environmentWith } from '../config.ts';
import { ensureProgram } from './ensure-program.ts';
import { outputOf } from './run-command.ts';

const toolchainVersion = '1.26.8';
const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

/** The go command to build with. `folder` is where a fetched toolchain is unpacked to. */
export async function obtainGo(folder: string, say: (line: string) => void): Promise<string> {
  await ensureProgram('go', 'golang-go', say);
  if (fetchesToolchains(await outputOf('go', ['version']))) return 'go';
  say(`getting Go ${toolchainVersion}`);
  await unpackToolchain(await downloadToolchain(folder), folder);
  return join(folder, 'bin/go');
}

/** Whether a go command with this `go version` output gets a newer toolchain by itself. */
export function fetchesToolchains(version: string): boolean {
  const [, major = '0', minor = '0'] = /go(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

async function downloadToolchain(cwd: string): Promise<string> {
  const module = `golang.org/toolchain@v0.0.1-go${toolchainVersion}.linux-${architectures[arch()]}`;
  const env = environmentWith({ GO111MODULE: 'on', GOFLAGS: '-mod=mod' });
  const answer = JSON.parse(await outputOf('go', ['mod', 'download', '-json', module], { cwd, env })) as {
    Dir: string;
  };
  return answer.Dir;
}

async function unpackToolchain(source: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await cp(source, folder, { recursive: true });
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
  }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name === '_go.mod') await rename(path, join(entry.parentPath, 'go.mod'));
    else if (entry.isFile() && /\/(bin|pkg\/tool\/[^/]+)\/[^/]+$/.test(path)) await chmod(path, 0o755);
  }
}
