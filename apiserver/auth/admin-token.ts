// The administrator's token: made once, kept in a private file.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from '../certificates/private-file.ts';

const tokenBytes = 32;

export function ensureAdminToken(folder: string): string {
  const path = join(folder, 'admin.token');
  const known = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  if (known !== '') return known;
  const token = randomBytes(tokenBytes).toString('base64url');
  writePrivateFile(path, `${token}\n`);
  return token;
}
