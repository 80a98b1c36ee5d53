// Field selectors: `metadata.name=a,reason!=b` over the labels that a resource has for its fields.
import { type ApiObject, isJsonObject } from '../objects/api-object.ts';
import { badRequest } from '../status/status-error.ts';

export interface FieldRequirement {
  label: string;
  equal: boolean;
  value: string;
}

/** `labels`: what may be selected beside metadata.name and metadata.namespace. Throws StatusError 400 for the rest. */
export function parseFieldSelector(text: string, labels: readonly string[], namespaced = true): FieldRequirement[] {
  const known = new Set([...labels, 'metadata.name', ...(namespaced ? ['metadata.namespace'] : [])]);
  return termsOf(text).map((term) => {
    const found = /^(.*?)(==|!=|=)(.*)$/s.exec(term);
    if (!found) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, label = '', operator, value = ''] = found;
    if (!known.has(label)) throw badRequest(`field label not supported: ${label}`);
    return { label, equal: operator !== '!=', value: value.replaceAll(/\\([\\,=])/g, '$1') };
  });
}

/** Splits at commas that no backslash precedes. */
function termsOf(text: string): string[] {
  return (text.match(/(\\.|[^,\\])+/gs) ?? []).filter((term) => term !== '');
}

export function matchesFields(requirements: readonly FieldRequirement[], object: ApiObject): boolean {
  return requirements.every(({ label, equal, value }) => (fieldText(object, label) === value) === equal);
}

/** The requirement that names one object, which makes a list a look-up. */
export function selectedName(requirements: readonly FieldRequirement[]): string | undefined {
  return requirements.find(({ label, equal }) => equal && label === 'metadata.name')?.value;
}

function fieldText(object: ApiObject, label: string): string {
  let value: unknown = object;
  for (const name of label.split('.')) value = isJsonObject(value) ? value[name] : undefined;
  return value === undefined || value === null ? '' : String(value);
}
