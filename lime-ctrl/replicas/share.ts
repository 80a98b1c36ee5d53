// How what is declared once is divided among replicas that each keep a part. Pure. Invariant: the parts add up to the whole,
// and who gets the odd one depends on the key, so that many small wholes do not all fall to the same replica.

/** The part of `own`, one of `living` (in the same order everywhere), of `whole`. */
export function shareOf(whole: number, key: string, own: string, living: readonly string[]): number {
  const at = living.indexOf(own);
  if (at < 0) return 0;
  const turned = (at + hashOf(key)) % living.length;
  return Math.floor(whole / living.length) + (turned < whole % living.length ? 1 : 0);
}

function hashOf(text: string): number {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  return hash;
}
