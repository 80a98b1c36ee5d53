// The guest agent's binary.
import type { Cache } from '../cache.ts';
import { type EnsureProgram, makeRustProgram } from '../rust-program.ts';

/** From the crate in `folder`. */
export function makeAgents(cache: Cache, folder: string): EnsureProgram {
  return makeRustProgram(cache, { folder, name: 'tvm-agent', title: 'the guest agent', cacheFolder: 'agent' });
}
