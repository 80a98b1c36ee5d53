// The signing keys of sessions, in a Secret that all replicas share. Whoever comes first makes it; whoever sees that a key is
// due adds one. Invariants: a key is never in a log or an error; without the API server, keys that were read go on serving.
import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { type KubeClient, type Secret, secrets } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import { type KeyRing, nextRing, rereadMs, signingKey, signingKeyOf } from './key-ring.ts';

export const keysSecretName = 'tvm-session-keys';
const dataKey = 'keys.json';
const attempts = 5;
/** A token with a key that is not known makes the keys be read anew, but not more often than this. */
const unknownRereadMs = 2_000;

export interface SessionKeys {
  /** The key to sign with now, and its id. Throws unavailable when no key could ever be read. */
  signing(): Promise<{ id: string; key: KeyObject }>;
  /** The key with this id; undefined when there is none. */
  verifying(id: string): Promise<KeyObject | undefined>;
  /**
   * Keys of 32 bytes for something else than tokens, one of each signing key: the first, which every replica knows, seals, all
   * of them open. `missed`: something did not open, so they are read anew if that was not done just now.
   */
  derived(purpose: string, missed?: boolean): Promise<readonly Uint8Array[]>;
}

export interface SessionKeysDeps {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  /** Where the Secret is: lime-ctrl's own namespace. */
  namespace: string;
  /** How long what is signed may live. */
  keepMs: number;
}

export function makeSessionKeys(deps: SessionKeysDeps): SessionKeys {
  const { clock, log } = deps;
  let ring: KeyRing | undefined;
  const made = makeKeyCache();
  let readAtMs = 0;
  let reading: Promise<KeyRing> | undefined;

  async function read(): Promise<KeyRing> {
    try {
      ring = await readRing(deps);
      made.keep(ring);
      readAtMs = clock.now();
      return ring;
    } catch (thrown) {
      if (!ring) throw unreadable(deps, thrown);
      log.warn({ why: TvmError.from(thrown).message }, 'signing keys of sessions not read anew');
      readAtMs = clock.now();
      return ring;
    } finally {
      reading = undefined;
    }
  }

  async function current(maxAgeMs: number): Promise<KeyRing> {
    if (ring && clock.now() - readAtMs < maxAgeMs) return ring;
    reading ??= read();
    return reading;
  }

  const find = (keys: KeyRing, id: string) => keys.find((each) => each.id === id);

  return {
    async signing() {
      const chosen = signingKeyOf(await current(rereadMs), clock.now());
      if (!chosen) throw new TvmError('internal', 'there is no key to sign tokens of sessions with');
      return { id: chosen.id, key: made.keyObject(chosen.secret) };
    },
    async verifying(id) {
      const found = find(await current(rereadMs), id) ?? find(await current(unknownRereadMs), id);
      return found && made.keyObject(found.secret);
    },
    async derived(purpose, missed = false) {
      const keys = await current(missed ? unknownRereadMs : rereadMs);
      const first = signingKeyOf(keys, clock.now());
      const ordered = first ? [first, ...keys.filter((each) => each !== first)] : keys;
      return ordered.map(({ secret }) => made.derived(secret, purpose));
    },
  };
}

interface KeyCache {
  keyObject(secret: string): KeyObject;
  derived(secret: string, purpose: string): Uint8Array;
  /** Forgets what was made of other keys. */
  keep(ring: KeyRing): void;
}

/** What is made of keys is made once: every request asks for some of it. */
function makeKeyCache(): KeyCache {
  const objects = new Map<string, KeyObject>();
  const derivations = new Map<string, Map<string, Uint8Array>>();
  return {
    keyObject: (secret) => madeOnce(objects, secret, () => createSecretKey(bytesOf(secret))),
    derived(secret, purpose) {
      const own = madeOnce(derivations, secret, () => new Map<string, Uint8Array>());
      const derive = () => new Uint8Array(hkdfSync('sha256', bytesOf(secret), '', `tvm/${purpose}`, 32));
      return madeOnce(own, purpose, derive);
    },
    keep(ring) {
      const secrets = new Set(ring.map(({ secret }) => secret));
      for (const map of [objects, derivations]) {
        for (const secret of map.keys()) if (!secrets.has(secret)) map.delete(secret);
      }
    },
  };
}

function madeOnce<Value>(made: Map<string, Value>, name: string, make: () => Value): Value {
  const value = made.get(name) ?? make();
  made.set(name, value);
  return value;
}

/** Reads the keys, and changes them when they are due. Another replica that was faster is heard. */
async function readRing({ client, clock, namespace, keepMs }: SessionKeysDeps): Promise<KeyRing> {
  for (let attempt = 1; ; attempt += 1) {
    const secret = await findSecret(client, namespace);
    const ring = secret ? ringOf(secret) : [];
    const next = nextRing(ring, clock.now(), keepMs, newKey(clock.now()));
    if (!next) return ring;
    try {
      await write(client, namespace, secret, next);
      return next;
    } catch (thrown) {
      const { code } = TvmError.from(thrown);
      const outrun = code === 'aborted' || code === 'already_exists' || code === 'not_found';
      if (!outrun || attempt === attempts) throw thrown;
    }
  }
}

async function findSecret(client: KubeClient, namespace: string): Promise<Secret | undefined> {
  try {
    return await client.get(secrets, namespace, keysSecretName);
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}

/** What somebody made of it is not used and not overwritten: throws failed_precondition. */
function ringOf({ data }: Secret): KeyRing {
  try {
    const ring = z.array(signingKey).parse(JSON.parse(Buffer.from(data?.[dataKey] ?? '', 'base64').toString('utf8')));
    return ring.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  } catch {
    throw new TvmError('failed_precondition', `Secret ${keysSecretName} holds no keys in "${dataKey}"`, {
      hint: `Delete it: new keys are made, and with them all tokens of sessions.`,
    });
  }
}

async function write(client: KubeClient, namespace: string, found: Secret | undefined, ring: KeyRing): Promise<void> {
  const data = { [dataKey]: Buffer.from(JSON.stringify(ring)).toString('base64') };
  if (found) {
    await client.update(secrets, { ...found, data });
    return;
  }
  const labels = { 'app.kubernetes.io/part-of': 'tvm', 'app.kubernetes.io/managed-by': 'lime-ctrl' };
  const metadata = { name: keysSecretName, namespace, labels };
  await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data });
}

function newKey(createdAtMs: number) {
  return {
    id: randomBytes(9).toString('base64url'),
    secret: randomBytes(32).toString('base64url'),
    createdAtMs,
  };
}

function unreadable({ namespace }: SessionKeysDeps, thrown: unknown): TvmError {
  const error = TvmError.from(thrown);
  const hint = error.hint ?? `lime-ctrl needs to get, create and update Secrets in the namespace ${namespace}.`;
  const object = `secret/${namespace}/${keysSecretName}`;
  return new TvmError('unavailable', `the signing keys of sessions cannot be read: ${error.message}`, {
    object,
    hint,
    reason: 'NoSessionKeys',
    retryAfterSeconds: 5,
  });
}

const bytesOf = (secret: string) => Buffer.from(secret, 'base64url');
