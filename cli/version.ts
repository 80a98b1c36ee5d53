// The product's version, as the repository's package.json has it.
import { readFileSync } from 'node:fs';

export function productVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return String(JSON.parse(text).version);
}
