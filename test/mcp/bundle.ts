// The fixture as one file that any Node runs. Invariant: built from the sources that are there now.
import { build } from 'esbuild';

export async function bundleFixture(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [new URL('./fixture/main.ts', import.meta.url).pathname],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    // Node 18 has it, but not there.
    banner: { js: "import { webcrypto } from 'node:crypto'; globalThis.crypto ??= webcrypto;" },
    write: false,
    logLevel: 'warning',
  });
  const [file] = outputFiles;
  if (!file) throw new Error('esbuild made nothing');
  return file.text;
}
