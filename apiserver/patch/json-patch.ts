// JSON patch (RFC 6902) with Kubernetes' limits and errors. Keys such as __proto__ are data like any other.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { deepEqual } from '../objects/deep-equal.ts';
import { setField } from '../objects/set-field.ts';
import { badRequest, StatusError } from '../status/status-error.ts';

const maximumOperations = 10_000;
const maximumCopiedBytes = 3 * 1024 * 1024;

interface Operation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

/** Throws StatusError 400 for what is no patch, 422 when it cannot be applied, 413 when it is too long. */
export function jsonPatch(target: object, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    const told = 'json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp';
    throw badRequest(`error decoding patch: ${told}`);
  }
  if (patch.length > maximumOperations) {
    const message = `The allowed maximum operations in a JSON patch is ${maximumOperations}, got ${patch.length}`;
    throw new StatusError(413, 'RequestEntityTooLarge', message);
  }
  const copied = { bytes: 0 };
  return patch.reduce<unknown>((root, one) => applyOperation(root, one, copied), structuredClone(target));
}

function applyOperation(root: unknown, one: unknown, copied: { bytes: number }): unknown {
  if (!isJsonObject(one) || typeof one.op !== 'string' || typeof one.path !== 'string') throw refused();
  const operation = one as unknown as Operation;
  const path = parsePointer(operation.path);
  if (operation.op === 'add') return write(root, path, structuredClone(operation.value), 'insert');
  if (operation.op === 'replace') return write(root, path, structuredClone(operation.value), 'replace');
  if (operation.op === 'remove') return remove(root, path);
  if (operation.op === 'test') {
    if (!deepEqual(readOrUndefined(root, path) ?? null, operation.value ?? null)) throw refused();
    return root;
  }
  if (typeof operation.from !== 'string') throw refused();
  const from = parsePointer(operation.from);
  const value = read(root, from);
  if (operation.op === 'move') return move(root, from, path, value);
  if (operation.op !== 'copy') throw refused();
  copied.bytes += JSON.stringify(value).length;
  if (copied.bytes > maximumCopiedBytes) throw refused();
  return write(root, path, structuredClone(value), 'insert');
}

function move(root: unknown, from: string[], path: string[], value: unknown): unknown {
  if (path.length > from.length && from.every((part, index) => part === path[index])) throw refused();
  return write(remove(root, from), path, value, 'insert');
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw refused();
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(root: unknown, path: readonly string[]): unknown {
  return path.reduce((node, part) => child(node, part), root);
}

function readOrUndefined(root: unknown, path: readonly string[]): unknown {
  const parent = read(root, path.slice(0, -1));
  const last = path.at(-1);
  if (last === undefined) return root;
  if (isJsonObject(parent) && !Object.hasOwn(parent, last)) return undefined;
  return child(parent, last);
}

function child(node: unknown, part: string): unknown {
  if (Array.isArray(node)) return node[indexOf(node, part, node.length - 1)];
  if (isJsonObject(node) && Object.hasOwn(node, part)) return node[part];
  throw refused();
}

/** Changes the clone in place; only at the root there is another value. */
function write(root: unknown, path: string[], value: unknown, how: 'insert' | 'replace'): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = read(root, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index =
      last === '-' && how === 'insert'
        ? parent.length
        : indexOf(parent, last, parent.length - (how === 'insert' ? 0 : 1));
    parent.splice(index, how === 'insert' ? 0 : 1, value);
  } else if (isJsonObject(parent)) {
    if (how === 'replace' && !Object.hasOwn(parent, last)) throw refused();
    setField(parent, last, value);
  } else throw refused();
  return root;
}

function remove(root: unknown, path: string[]): unknown {
  const last = path.at(-1);
  if (last === undefined) throw refused();
  const parent = read(root, path.slice(0, -1));
  child(parent, last);
  if (Array.isArray(parent)) parent.splice(indexOf(parent, last, parent.length - 1), 1);
  else delete (parent as JsonObject)[last];
  return root;
}

function indexOf(list: unknown[], part: string, maximum: number): number {
  const index = /^-?(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN;
  const wanted = index < 0 ? list.length + index : index;
  if (Number.isNaN(wanted) || wanted < 0 || wanted > maximum) throw refused();
  return wanted;
}

function refused(): StatusError {
  const message = 'the server rejected our request due to an error in our request';
  return new StatusError(422, 'Invalid', message, {});
}
