// Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`, parsed as Kubernetes parses them.
import type { ApiObject } from '../objects/api-object.ts';
import { labelKeyProblem, labelValueProblem } from '../objects/qualified-name.ts';
import { badRequest } from '../status/status-error.ts';

export type Operator = 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt';

export interface Requirement {
  key: string;
  operator: Operator;
  values: readonly string[];
}

export function matchesLabels(requirements: readonly Requirement[], object: ApiObject): boolean {
  const labels = object.metadata.labels ?? {};
  return requirements.every((requirement) => matches(requirement, labels));
}

function matches({ key, operator, values }: Requirement, labels: Record<string, string>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (operator === 'exists') return value !== undefined;
  if (operator === 'absent') return value === undefined;
  if (operator === 'notin') return value === undefined || !values.includes(value);
  if (value === undefined) return false;
  if (operator === 'in') return values.includes(value);
  if (!/^-?\d+$/.test(value)) return false;
  return operator === 'gt' ? BigInt(value) > BigInt(values[0] ?? 0) : BigInt(value) < BigInt(values[0] ?? 0);
}

const operators = 'in, notin, =, ==, !=, gt, lt';

/** Throws StatusError 400 for what is not a selector. An empty text selects everything. */
export function parseLabelSelector(text: string): Requirement[] {
  const tokens = tokensOf(text);
  const requirements: Requirement[] = [];
  while (tokens.at() !== '') {
    requirements.push(checked(parseRequirement(tokens)));
    const next = tokens.take();
    if (next === '') break;
    if (next !== ',') throw refused(`found '${next}', expected: ',' or 'end of string'`);
    if (tokens.at() === '') throw refused("found '', expected: identifier after ','");
  }
  return requirements;
}

interface Tokens {
  at(): string;
  take(): string;
}

function tokensOf(text: string): Tokens {
  const list = text.match(/[^\s,()=!<>]+|==|!=|[=!,()<>]/g) ?? [];
  let position = 0;
  return { at: () => list[position] ?? '', take: () => list[position++] ?? '' };
}

function parseRequirement(tokens: Tokens): Requirement {
  if (tokens.at() === '!') {
    tokens.take();
    return { key: identifier(tokens), operator: 'absent', values: [] };
  }
  const key = identifier(tokens);
  const next = tokens.at();
  if (next === '' || next === ',') return { key, operator: 'exists', values: [] };
  tokens.take();
  if (next === '=' || next === '==') return { key, operator: 'in', values: [exactValue(tokens)] };
  if (next === '!=') return { key, operator: 'notin', values: [exactValue(tokens)] };
  if (next === 'in' || next === 'notin') return { key, operator: next, values: valueList(tokens) };
  if (next === '>' || next === 'gt') return { key, operator: 'gt', values: [exactValue(tokens)] };
  if (next === '<' || next === 'lt') return { key, operator: 'lt', values: [exactValue(tokens)] };
  throw refused(`found '${next}', expected: ${operators}`);
}

function identifier(tokens: Tokens): string {
  const token = tokens.take();
  if (/^[,()=!<>]*=?$/.test(token)) throw refused(`found '${token}', expected: !, identifier, or 'end of string'`);
  return token;
}

function exactValue(tokens: Tokens): string {
  if (tokens.at() === '' || tokens.at() === ',') return '';
  const token = tokens.take();
  if (/^[()=!<>]/.test(token)) throw refused(`found '${token}', expected: identifier`);
  return token;
}

function valueList(tokens: Tokens): string[] {
  const open = tokens.take();
  if (open !== '(') throw refused(`found '${open}' expected: '('`);
  const values: string[] = [];
  for (;;) {
    const token = tokens.take();
    if (token === ')') return values.length > 0 ? values : [''];
    if (token === '') throw refused("found '', expected: ',', ')' or identifier");
    if (token === ',') continue;
    if (/^[(=!<>]/.test(token)) throw refused(`found '${token}', expected: ',', ')' or identifier`);
    values.push(token);
  }
}

function checked(requirement: Requirement): Requirement {
  const problem = labelKeyProblem(requirement.key);
  if (problem) throw badRequest(`key: Invalid value: ${JSON.stringify(requirement.key)}: ${problem}`);
  for (const [index, value] of requirement.values.entries()) {
    const wrong = labelValueProblem(value);
    if (wrong) {
      const field = `values[${index}][${requirement.key}]`;
      throw badRequest(`${field}: Invalid value: ${JSON.stringify(value)}: ${wrong}`);
    }
  }
  return requirement;
}

function refused(why: string): Error {
  return badRequest(`unable to parse requirement: ${why}`);
}
