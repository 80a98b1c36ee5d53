// The JSONPath that printer columns use: `.a.b`, `.a[0]`, `.a[*].b`, `.list[?(@.type=="Ready")].reason`.
import { isJsonObject } from '../objects/api-object.ts';

type Step = (values: unknown[]) => unknown[];

const compiled = new Map<string, Step[]>();

/** The first value at a path; undefined when there is none. Throws Error for a path that it cannot read. */
export function valueAt(root: unknown, path: string): unknown {
  let steps = compiled.get(path);
  if (!steps) {
    steps = compile(path);
    compiled.set(path, steps);
  }
  return steps.reduce<unknown[]>((values, step) => step(values), [root])[0];
}

const stepPattern = /\.([\w-]+)|\[(\d+)\]|\[\*\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]|\['([^']+)'\]/y;

function compile(path: string): Step[] {
  const steps: Step[] = [];
  let position = 0;
  while (position < path.length) {
    stepPattern.lastIndex = position;
    const found = stepPattern.exec(path);
    if (!found) throw new Error(`${path}: not understood at ${position}`);
    steps.push(stepOf(found));
    position = stepPattern.lastIndex;
  }
  return steps;
}

function stepOf([, dotted, index, filterPath, filterValue, quoted]: RegExpExecArray): Step {
  const name = dotted ?? quoted;
  if (name !== undefined) return (values) => values.flatMap((value) => fieldOf(value, name));
  if (index !== undefined)
    return (values) => values.flatMap((value) => itemsOf(value).slice(Number(index), Number(index) + 1));
  if (filterPath === undefined) return (values) => values.flatMap(itemsOf);
  const isWanted = (item: unknown) => String(valueAt(item, `.${filterPath}`)) === filterValue;
  return (values) => values.flatMap((value) => itemsOf(value).filter(isWanted));
}

function fieldOf(value: unknown, name: string): unknown[] {
  return isJsonObject(value) && value[name] !== undefined ? [value[name]] : [];
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Sets the value at a path of plain names, making objects on the way. */
export function setAt(root: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.').filter((name) => name !== '');
  const last = names.pop();
  if (last === undefined) return;
  let node = root;
  for (const name of names) {
    if (!isJsonObject(node[name])) node[name] = {};
    node = node[name] as Record<string, unknown>;
  }
  node[last] = value;
}
