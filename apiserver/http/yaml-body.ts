// A YAML body as a value. Time and memory stay in proportion to the text: aliases are bounded, so that a small document
// cannot become a huge one, and the parser's own look for keys that come twice, which compares all with all, is not used.
import { type Document, isScalar, parseDocument, visit } from 'yaml';
import { badRequest } from '../status/status-error.ts';
import { checkDepth, duplicateKeys } from './json-scan.ts';

const maximumAliases = 100;

/** Throws StatusError 400. */
export function parseYaml(text: string): unknown {
  const value = /^\s*\{/.test(text) ? (parsedJson(text) ?? parsedYaml(text)) : parsedYaml(text);
  checkDepth(value);
  return value;
}

/** JSON is YAML, is what clients send, and is read far faster; undefined when it is none. */
function parsedJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // flow style, or broken: the YAML parser says where
  }
  const [twice] = duplicateKeys(text);
  if (twice !== undefined) throw refused(`key ${JSON.stringify(twice)} already set in map`);
  return value;
}

function parsedYaml(text: string): unknown {
  try {
    const document = parseDocument(text, { uniqueKeys: false });
    const [problem] = document.errors;
    if (problem) throw problem;
    const twice = keyThatComesTwice(document);
    if (twice !== undefined) throw new SyntaxError(`key ${JSON.stringify(twice)} already set in map`);
    return document.toJS({ maxAliasCount: maximumAliases });
  } catch (error) {
    throw refused(error instanceof Error ? error.message : String(error));
  }
}

function keyThatComesTwice(document: Document): unknown {
  let found: unknown;
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? key.value : key;
        if (seen.has(name)) {
          found = name;
          return visit.BREAK;
        }
        seen.add(name);
      }
      return undefined;
    },
  });
  return found;
}

function refused(why: string): Error {
  return badRequest(`error decoding YAML: ${why.split('\n')[0]}`);
}
