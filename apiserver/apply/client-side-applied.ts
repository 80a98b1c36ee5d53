// Between `kubectl apply` without and with --server-side: kubectl may take the fields that it set in the former way without
// --force-conflicts, and the note that it left of them is kept right, so that it can go back.
import { type ApiObject, isJsonObject } from '../objects/api-object.ts';
import { maximumAnnotationBytes } from '../objects/validate-metadata.ts';
import { appliedFields } from './applied-fields.ts';
import type { FieldSet } from './field-set.ts';
import type { Tracking } from './track-update.ts';

const manager = 'kubectl';
const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

export function clientSideApplied({ identity, schema }: Tracking, live: ApiObject): FieldSet {
  const text = live.metadata.annotations?.[annotation];
  if (identity.name !== manager || text === undefined) return new Set();
  try {
    return appliedFields(JSON.parse(text), schema);
  } catch (error) {
    if (error instanceof SyntaxError) return new Set(); // an annotation is any text
    throw error;
  }
}

/** `object` with its note, if there is one, saying what `config` says. A note that is too long is dropped. */
export function withNoteOf(config: ApiObject, { identity }: Tracking, object: ApiObject): ApiObject {
  const { [annotation]: note, ...others } = object.metadata.annotations ?? {};
  if (identity.name !== manager || note === undefined) return object;
  const text = noteOf(config);
  const isLong = text.length + JSON.stringify(others).length > maximumAnnotationBytes;
  const annotations = isLong ? others : { ...others, [annotation]: text };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

function noteOf(config: ApiObject): string {
  const { annotations } = config.metadata;
  const { [annotation]: _note, ...others } = annotations ?? {};
  const metadata = { ...config.metadata, ...(annotations && { annotations: others }) };
  const sorted = (_key: string, value: unknown) =>
    isJsonObject(value) ? Object.fromEntries(Object.entries(value).sort()) : value;
  return `${JSON.stringify({ ...config, metadata }, sorted)}\n`;
}
