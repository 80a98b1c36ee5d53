// Who may use an image that the cache has. Invariant: what was pulled with credentials is given to nobody whose own ones the
// registry has not accepted for it within the last minutes.
import { randomBytes } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { RootImage } from '../contract.ts';
import { keyOf } from '../digest.ts';
import type { OciReference } from '../reference.ts';
import { checkAccess, type Puller } from './registry.ts';

/** How long the word of the registry counts: a credential that was withdrawn opens no image for longer than this. */
const trustMs = 10 * 60_000;
const maxRemembered = 1000;

export interface Access {
  /** Throws `permission_denied`, or what keeps the registry from being asked. */
  check(image: RootImage, reference: OciReference, puller: Puller): Promise<void>;
  /** The registry has just accepted them. */
  remember(image: RootImage, puller: Pick<Puller, 'credentials'>): void;
}

export function makeAccess(now: () => number = Date.now): Access {
  // Credentials are kept as hashes that mean nothing to another process.
  const salt = randomBytes(32);
  const acceptedAtMs = new Map<string, number>();
  const entryOf = ({ reference, digest }: RootImage, { credentials }: Pick<Puller, 'credentials'>) =>
    keyOf(salt, reference, digest, JSON.stringify(credentials));

  function remember(image: RootImage, puller: Pick<Puller, 'credentials'>): void {
    const entry = entryOf(image, puller);
    acceptedAtMs.delete(entry);
    acceptedAtMs.set(entry, now());
    for (const oldest of acceptedAtMs.keys()) {
      if (acceptedAtMs.size <= maxRemembered) return;
      acceptedAtMs.delete(oldest);
    }
  }

  return {
    remember,
    async check(image, reference, puller) {
      if (!image.restricted) return;
      if (now() - (acceptedAtMs.get(entryOf(image, puller)) ?? Number.NEGATIVE_INFINITY) < trustMs) return;
      await checkAccess(reference, image.digest, puller).catch((thrown) => {
        throw refused(image, TvmError.from(thrown));
      });
      remember(image, puller);
    },
  };
}

function refused({ reference }: RootImage, cause: TvmError): TvmError {
  const message = `${reference} was pulled with credentials, and yours were not accepted for it: ${cause.message}`;
  // A registry that hides what one may not see says that there is nothing.
  const code = cause.code === 'not_found' ? 'permission_denied' : cause.code;
  const hint = 'Name a Secret with credentials for its registry in imagePullSecrets.';
  return new TvmError(code, message, { cause, hint, object: `image/${reference}`, reason: 'ImageAccessDenied' });
}
