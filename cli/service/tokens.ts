// $TVM_HOME/tokens: one line `TOKEN,USER[,GROUP[,NAMESPACE…]]` a user of the REST API, mode 0600. The command uses the
// first line's.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';

export function tokensFilePath(home: string): string {
  return join(home, 'tokens');
}

/** Makes the file, with one random token of 256 bits, when it is missing. Two makers at once end with one file. */
export function ensureTokensFile(home: string, userName: string): string {
  const path = tokensFilePath(home);
  const user = /^[A-Za-z0-9._@-]+$/.test(userName) ? userName : 'local';
  const line = `${randomBytes(32).toString('base64url')},${user},tvm:admins\n`;
  try {
    writeFileSync(path, line, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return path;
}

/** Throws TvmError unauthenticated when the file cannot be read or holds no token. */
export function readToken(path: string): string {
  const hint = 'Run "vvm down" and "vvm up" as the user who owns the service; a damaged tokens file may be deleted.';
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TvmError('unauthenticated', `cannot read the token in ${path}`, { cause, hint });
  }
  const token = text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '' && !line.startsWith('#'))
    ?.split(',')[0];
  if (!token) throw new TvmError('unauthenticated', `${path} holds no token`, { hint });
  return token;
}
