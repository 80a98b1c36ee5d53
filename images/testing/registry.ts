// A real registry on a free loopback port, and images pushed to it, for tests.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  host: string;
  /** Pushes an image of these tar layers; returns the digest of its manifest. */
  push(repository: string, layers: Buffer[], config?: object, compression?: 'gzip' | 'zstd'): string;
  /** The file in which the registry keeps a blob. */
  blobFile(digest: string): string;
}

/** Whom a registry with `auth` lets in. */
export const testUser = { name: 'alice', password: 'correct horse' };
// bcrypt, with the fewest rounds there are.
const passwordFile = `${testUser.name}:$2b$04$1Hc3aHwlsFTtl94CDy.PPeHsx5Cna8lk1kr7/t4PEsCUE7w3s1zo2\n`;

/** The text of docker's config.json that opens the registry. */
export function configWith(host: string, { name, password } = testUser): string {
  return JSON.stringify({ auths: { [host]: { auth: Buffer.from(`${name}:${password}`).toString('base64') } } });
}

export async function startRegistry({ auth = false } = {}): Promise<TestRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const configFile = join(folder, 'config.yml');
  const passwords = join(folder, 'htpasswd');
  writeFileSync(passwords, passwordFile);
  writeFileSync(configFile, registryConfig(host, join(folder, 'data'), auth ? passwords : undefined));
  const login = auth ? [`--dest-creds=${testUser.name}:${testUser.password}`] : [];
  const server = spawn('docker-registry', ['serve', configFile], { stdio: 'ignore' });
  await untilAnswers(`http://${host}/v2/`, server);
  return {
    host,
    push(repository, layers, config = {}, compression = 'gzip') {
      const layoutDir = mkdtempSync(join(folder, 'layout-'));
      const digest = writeLayout(layoutDir, layers, config, compression);
      run('skopeo', [
        '--insecure-policy',
        'copy',
        '--preserve-digests',
        '--dest-tls-verify=false',
        ...login,
        `oci:${layoutDir}`,
        `docker://${host}/${repository}`,
      ]);
      return digest;
    },
    blobFile: (digest) => {
      const hex = digest.replace('sha256:', '');
      return join(folder, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      if (server.kill('SIGKILL')) await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Writes an OCI layout with one image for linux/amd64; returns the digest of its manifest. */
function writeLayout(dir: string, layers: Buffer[], config: object, compression: 'gzip' | 'zstd'): string {
  mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
  const addBlob = (mediaType: string, content: Buffer) => {
    const hex = sha256(content);
    writeFileSync(join(dir, 'blobs/sha256', hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const addJson = (mediaType: string, value: object) => addBlob(mediaType, Buffer.from(JSON.stringify(value)));
  const compress = compression === 'gzip' ? gzipSync : zstdCompressSync;
  const layerType = `application/vnd.oci.image.layer.v1.tar+${compression}`;
  const layerBlobs = layers.map((layer) => addBlob(layerType, compress(layer)));
  const manifest = addJson('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: addJson('application/vnd.oci.image.config.v1+json', {
      architecture: 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    }),
    layers: layerBlobs,
  });
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return manifest.digest;
}

function registryConfig(host: string, dataDir: string, passwords: string | undefined): string {
  return `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${dataDir} } }
http: { addr: "${host}", relativeurls: true }
${passwords === undefined ? '' : `auth: { htpasswd: { realm: test, path: ${passwords} } }\n`}`;
}

function run(program: string, args: string[]): void {
  const result = spawnSync(program, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${program} failed: ${result.stderr || result.error?.message}`);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function untilAnswers(url: string, server: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100 && server.exitCode === null; attempt++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok || answer?.status === 401) return;
    await delay(100);
  }
  server.kill('SIGKILL');
  throw new Error('docker-registry does not answer');
}
