// The keys that tokens of sessions are signed with, as data: which signs, which still verify, when a new one is due. Pure.
// Invariant: a key verifies for as long as what it signed may live, and signs only once every replica can know it.
import { z } from 'zod';

export const signingKey = z.object({
  /** Names it in the header of a token. */
  id: z.string().regex(/^[\w-]{8,64}$/),
  /** 32 bytes, base64url. */
  secret: z.base64url().length(43),
  createdAtMs: z.int(),
});
export type SigningKey = z.infer<typeof signingKey>;

/** Newest first. */
export type KeyRing = readonly SigningKey[];

/** Replicas read the keys anew this often; a new key rests for several times that before it signs. */
export const rereadMs = 20_000;
const settleMs = 4 * rereadMs;
export const rotateAfterMs = 30 * 86_400_000;

/** The key to sign with; undefined in an empty ring. */
export function signingKeyOf(ring: KeyRing, nowMs: number): SigningKey | undefined {
  return ring.find(({ createdAtMs }) => nowMs - createdAtMs >= settleMs) ?? ring.at(-1);
}

/** The ring as it should be, `fresh` being the key to add when one is due; undefined: it is as it should be. */
export function nextRing(ring: KeyRing, nowMs: number, keepMs: number, fresh: SigningKey): KeyRing | undefined {
  const [newest] = ring;
  const due = newest === undefined || nowMs - newest.createdAtMs >= rotateAfterMs;
  const kept = ring.filter((_, index) => {
    const successor = ring[index - 1];
    return successor === undefined || nowMs - successor.createdAtMs < keepMs + settleMs;
  });
  if (!due) return kept.length === ring.length ? undefined : kept;
  return [fresh, ...kept];
}
