// Lists: selectors, pages with a continue token at one revision, and what resourceVersion means for them.
import { type FieldRequirement, matchesFields, selectedName } from '../selectors/field-selector.ts';
import { matchesLabels, type Requirement } from '../selectors/label-selector.ts';
import { badRequest, expired, resourceVersionTooLarge, StatusError } from '../status/status-error.ts';
import type { Store } from '../store/store.ts';
import { type ApiObject, nameOf, namespaceOf } from './api-object.ts';
import { continueToken, type Place, parseContinueToken } from './continue-token.ts';
import type { Target } from './request.ts';

export interface Selection {
  labels: readonly Requirement[];
  fields: readonly FieldRequirement[];
}

export interface ListOptions extends Selection {
  limit?: number | undefined;
  continueToken?: string | undefined;
  resourceVersion?: string | undefined;
  resourceVersionMatch?: string | undefined;
}

export interface ObjectList {
  items: ApiObject[];
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

export function isSelected({ labels, fields }: Selection, object: ApiObject): boolean {
  return matchesLabels(labels, object) && matchesFields(fields, object);
}

/** `namespace` '' means all. Throws StatusError 400, 410 (history is gone), 504 (the future). */
export function listObjects(store: Store, target: Target, options: ListOptions): ObjectList {
  const { revision, after } = startOf(store, options);
  const toShown = target.resource.rules.fromStored ?? ((object: ApiObject) => object);
  const single = selectedName(options.fields);
  const scope = {
    storage: target.resource.storage,
    namespace: target.namespace || undefined,
    revision,
  };
  const isWanted = (object: ApiObject) => isSelected(options, object);
  const { items, more } = collect(store, scope, after, options.limit, (object) => {
    if (single !== undefined && nameOf(object) !== single) return undefined;
    const shown = toShown(object);
    return isWanted(shown) ? shown : undefined;
  });
  const last = items.at(-1);
  if (!more || !last) return { items, metadata: { resourceVersion: String(revision) } };
  const place = { namespace: namespaceOf(last), name: nameOf(last) };
  const isWhole = options.labels.length === 0 && options.fields.length === 0;
  const remaining = isWhole ? { remainingItemCount: countAfter(store, scope, place) } : {};
  const metadata = { resourceVersion: String(revision), continue: continueToken(revision, place), ...remaining };
  return { items, metadata };
}

type Scope = Pick<Parameters<Store['page']>[0], 'storage' | 'namespace' | 'revision'>;

/** Reads pages until `limit` objects are accepted. */
function collect(
  store: Store,
  scope: Scope,
  start: Place | undefined,
  limit: number | undefined,
  accept: (object: ApiObject) => ApiObject | undefined,
): { items: ApiObject[]; more: boolean } {
  const items: ApiObject[] = [];
  let after = start;
  for (;;) {
    const wanted = limit === undefined ? undefined : limit - items.length + 1;
    const page = store.page({ ...scope, after, limit: wanted });
    for (const object of page.objects) {
      const accepted = accept(object);
      if (!accepted) continue;
      if (items.length === limit) return { items, more: true };
      items.push(accepted);
    }
    const last = page.objects.at(-1);
    if (!page.more || !last) return { items, more: false };
    after = { namespace: namespaceOf(last), name: nameOf(last) };
  }
}

function countAfter(store: Store, scope: Scope, after: Place): number {
  return store.countPage({ ...scope, after });
}

function startOf(store: Store, options: ListOptions): { revision: number; after: Place | undefined } {
  const { resourceVersion = '', resourceVersionMatch } = options;
  if (options.continueToken) return continued(store, options.continueToken);
  const wanted = parseRevision(resourceVersion);
  if (wanted > store.revision) throw resourceVersionTooLarge(resourceVersion, store.revision);
  if (resourceVersionMatch !== 'Exact') return { revision: store.revision, after: undefined };
  if (wanted < store.compactedRevision) {
    throw expired(`The resourceVersion for the provided list is too old.`);
  }
  return { revision: wanted, after: undefined };
}

function continued(store: Store, token: string): { revision: number; after: Place } {
  const { revision, place } = parseContinueToken(token);
  if (revision < 0) return { revision: store.revision, after: place };
  if (revision >= store.compactedRevision) return { revision, after: place };
  const error = new StatusError(410, 'Expired', tooOld);
  error.status.metadata = { continue: continueToken(-1, place) };
  throw error;
}

const tooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/** '' is 0. Throws StatusError 400. */
export function parseRevision(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  return Number(text);
}
