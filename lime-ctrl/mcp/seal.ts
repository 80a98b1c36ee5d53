// Names that clients hold and bring back: unguessable, and bound to whom they were given to. Invariant: one that was not
// made here, or for somebody else, opens for nobody; every replica with the same keys opens what another has made.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Secrets of at least 32 bytes that all replicas share: the first seals, all of them open. `missed`: something did not open;
 * another replica may know more keys.
 */
export type SealKeys = (missed?: boolean) => Promise<readonly Uint8Array[]>;

const tagBytes = 16;
const idPattern = /^[a-z]-[\w-]{22}\.[\w-]{22}$/;

export interface Seal {
  /** A fresh id such as "x-RANDOM.TAG", of characters that a process id may have. `kind` is one lowercase letter. */
  mint(kind: string, binding: string): Promise<string>;
  /** The same id for the same kind, binding and name, as long as the key that seals is the same. */
  named(kind: string, binding: string, name: string): Promise<string>;
  /** Whether `id` was minted as this kind for this binding. */
  holds(id: string, kind: string, binding: string): Promise<boolean>;
  /** A value that can be read by anyone who holds it, and made by nobody else. */
  close(purpose: string, binding: string, value: unknown): Promise<string>;
  /** The value, or undefined for what was not closed for the same purpose and binding. */
  open(purpose: string, binding: string, text: string): Promise<unknown>;
}

export function makeSeal(keys: SealKeys): Seal {
  async function sealingKey(): Promise<Uint8Array> {
    const [key] = await keys();
    if (!key) throw new Error('there is no key to seal with');
    return key;
  }

  async function matches(parts: string[], tag: string): Promise<boolean> {
    const given = Buffer.from(tag, 'base64url');
    const fits = (key: Uint8Array) => {
      const expected = tagOf(key, parts);
      return given.length === expected.length && timingSafeEqual(given, expected);
    };
    return (await keys()).some(fits) || (await keys(true)).some(fits);
  }

  return {
    async mint(kind, binding) {
      const random = randomBytes(16).toString('base64url');
      return `${kind}-${random}.${tagOf(await sealingKey(), ['id', kind, binding, random]).toString('base64url')}`;
    },
    async named(kind, binding, name) {
      const text = createHash('sha256')
        .update(JSON.stringify([binding, name]))
        .digest()
        .subarray(0, 16);
      const place = text.toString('base64url');
      return `${kind}-${place}.${tagOf(await sealingKey(), ['id', kind, binding, place]).toString('base64url')}`;
    },
    async holds(id, kind, binding) {
      if (!idPattern.test(id) || !id.startsWith(`${kind}-`)) return false;
      const [random = '', tag = ''] = id.slice(kind.length + 1).split('.');
      return matches(['id', kind, binding, random], tag);
    },
    async close(purpose, binding, value) {
      const body = Buffer.from(JSON.stringify(value)).toString('base64url');
      return `${body}.${tagOf(await sealingKey(), ['value', purpose, binding, body]).toString('base64url')}`;
    },
    async open(purpose, binding, text) {
      const [body = '', tag = '', ...rest] = text.split('.');
      if (rest.length > 0 || !(await matches(['value', purpose, binding, body], tag))) return undefined;
      return JSON.parse(Buffer.from(body, 'base64url').toString());
    },
  };
}

function tagOf(key: Uint8Array, parts: string[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(`${Buffer.byteLength(part)}:${part}`);
  return mac.digest().subarray(0, tagBytes);
}
