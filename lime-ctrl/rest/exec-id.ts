// Ids of exec processes that say whose they are, so that any replica knows it, also after a restart.
// Invariant: an id names one user: who has another name finds no value that makes an existing id theirs.
import { createHash, randomBytes } from 'node:crypto';

const nonceBytes = 16;
const ownerBytes = 16;
const textLength = Math.ceil((nonceBytes * 4) / 3);

/** For a process that this user starts. */
export function newExecId(user: string): string {
  const nonce = randomBytes(nonceBytes).toString('base64url');
  return nonce + ownerOf(nonce, user);
}

/** Whether the user is the one who started the process with this id. */
export function isExecOf(execId: string, user: string): boolean {
  const nonce = execId.slice(0, textLength);
  return nonce.length === textLength && execId === nonce + ownerOf(nonce, user);
}

function ownerOf(nonce: string, user: string): string {
  return createHash('sha256').update(`${nonce} ${user}`).digest().subarray(0, ownerBytes).toString('base64url');
}
