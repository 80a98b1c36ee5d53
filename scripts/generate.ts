// Writes the generated files; with --check only says which are stale (exit 1).
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { crdOf } from '../api/crd.ts';
import { kinds } from '../api/kinds/kinds.ts';

const crdFolder = 'deploy/crds';
const crdHeader = '# Generated from api/kinds by "npm run generate": do not edit.\n';

const manifestFolder = 'deploy/base';
const manifestFile = 'deploy/tvm.yaml';
const manifestHeader = `# Generated from ${manifestFolder} by "npm run generate": do not edit.\n`;

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

function generateCrds(): void {
  const fresh = new Map(
    kinds.map((kind) => {
      const crd = crdOf(kind);
      const text = stringify(crd, { lineWidth: 120, aliasDuplicateObjects: false });
      return [`${crd.metadata.name}.yaml`, crdHeader + text];
    }),
  );
  mkdirSync(crdFolder, { recursive: true });
  for (const [name, text] of fresh) {
    if (!check) writeFileSync(join(crdFolder, name), text);
    else if (!holds(join(crdFolder, name), text)) stale.push(join(crdFolder, name));
  }
  for (const name of readdirSync(crdFolder)) {
    if (fresh.has(name)) continue;
    if (!check) rmSync(join(crdFolder, name));
    else stale.push(join(crdFolder, name));
  }
}

/** All manifests in one file, in their order, for kubectl apply -f. */
function generateManifest(): void {
  const list = parse(readFileSync(join(manifestFolder, 'kustomization.yaml'), 'utf8')) as { resources: string[] };
  const texts = list.resources.map((name) => readFileSync(join(manifestFolder, name), 'utf8'));
  const text = manifestHeader + texts.join('---\n');
  if (!check) writeFileSync(manifestFile, text);
  else if (!holds(manifestFile, text)) stale.push(manifestFile);
}

function holds(path: string, text: string): boolean {
  try {
    return readFileSync(path, 'utf8') === text;
  } catch {
    return false;
  }
}

/** The agent's half of guest.proto. With --check only a checksum is compared: no Rust is needed for that. */
function generateAgentProtocol(): void {
  const run = spawnSync('guest/codegen/generate.sh', check ? ['--check'] : [], {
    stdio: ['ignore', 'inherit', check ? 'ignore' : 'inherit'],
  });
  if (run.status === 0) return;
  if (!check) throw new Error(`guest/codegen/generate.sh: exit ${run.status}`);
  stale.push('guest/src/proto/generated.rs');
}

generateProtos();
generateAgentProtocol();
generateCrds();
generateManifest();
if (stale.length > 0) {
  console.error(`stale generated files, run "npm run generate":\n  ${stale.join('\n  ')}`);
  process.exit(1);
}
