// Writes the generated files; with --check only says which are stale (exit 1).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const check = process.argv.includes('--check');
const stale: string[] = [];

function generateProtos(): void {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-generate-'));
  try {
    const run = spawnSync('buf', ['generate', ...(check ? ['-o', folder] : [])], { cwd: 'api', stdio: 'inherit' });
    if (run.status !== 0) throw new Error(`buf generate: exit ${run.status}`);
    if (check) compareFolders(join(folder, 'gen'), 'api/gen');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compareFolders(fresh: string, committed: string): void {
  for (const entry of readdirSync(fresh, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const other = join(committed, path.slice(fresh.length));
    if (!sameContent(path, other)) stale.push(other);
  }
}

function sameContent(a: string, b: string): boolean {
  try {
    return readFileSync(a).equals(readFileSync(b));
  } catch {
    return false;
  }
}

generateProtos();
if (stale.length > 0) {
  console.error(`stale generated files, run "npm run generate":\n  ${stale.join('\n  ')}`);
  process.exit(1);
}
