// The query parameters of requests, parsed and checked.
import type { DeleteOptions } from '../objects/delete.ts';
import { type ListOptions, parseRevision } from '../objects/list.ts';
import type { FieldValidation, WriteOptions } from '../objects/request.ts';
import type { Resource } from '../resources/resource.ts';
import { parseFieldSelector } from '../selectors/field-selector.ts';
import { parseLabelSelector } from '../selectors/label-selector.ts';
import { type FieldError, forbiddenField, invalid, notSupported, required } from '../status/field-error.ts';
import { badRequest, invalidObject, StatusError } from '../status/status-error.ts';
import type { WatchOptions } from '../watch/watch.ts';

const optionsGroup = 'meta.k8s.io';
const validations = ['Ignore', 'Strict', 'Warn'] as const;
const maximumManagerLength = 128;

/** Throws StatusError 422. `isApply`: a manager is required and force allowed. */
export function writeOptions(
  query: URLSearchParams,
  userAgent: string | undefined,
  isPatch: boolean,
  isApply: boolean,
) {
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  const manager = query.get('fieldManager') ?? '';
  const errors: FieldError[] = [...dryRunErrors(query.getAll('dryRun'))];
  if (isApply && !manager) errors.push(required('fieldManager', 'is required for apply patch'));
  if (manager.length > maximumManagerLength) {
    errors.push({
      field: 'fieldManager',
      reason: 'FieldValueTooLong',
      message: 'Too long: may not be more than 128 bytes',
    });
  }
  if (!isApply && booleanOf(query, 'force'))
    errors.push(forbiddenField('force', 'may not be specified for non-apply patch'));
  if (!validations.some((one) => one === fieldValidation)) {
    errors.push(notSupported('fieldValidation', fieldValidation, ['', ...validations]));
  }
  if (errors.length > 0)
    throw invalidObject({ group: optionsGroup, kind: isPatch ? 'PatchOptions' : 'CreateOptions' }, '', errors);
  const options: WriteOptions = {
    dryRun: query.has('dryRun') && query.get('dryRun') !== '',
    manager: manager || managerOf(userAgent),
    fieldValidation: fieldValidation as FieldValidation,
    force: booleanOf(query, 'force') === true,
  };
  return options;
}

function dryRunErrors(values: string[]): FieldError[] {
  const given = values.filter((value) => value !== '');
  return given.every((value) => value === 'All') ? [] : [notSupported('dryRun', given, ['All'])];
}

/** As Kubernetes has it: the first word of the user agent, without its version. */
function managerOf(userAgent: string | undefined): string {
  const name = (userAgent ?? '').split('/')[0]?.replaceAll(/[^\x20-\x7e]/g, '') ?? '';
  return name.slice(0, maximumManagerLength) || 'unknown';
}

export function selectionOf(resource: Resource, query: URLSearchParams) {
  return {
    labels: parseLabelSelector(query.get('labelSelector') ?? ''),
    fields: parseFieldSelector(query.get('fieldSelector') ?? '', resource.fieldLabels, resource.namespaced),
  };
}

/** Throws StatusError 400, 422. */
export function listOptions(resource: Resource, query: URLSearchParams): ListOptions {
  const limit = wholeNumber(query, 'limit');
  const match = query.get('resourceVersionMatch') ?? undefined;
  const resourceVersion = query.get('resourceVersion') ?? '';
  const token = query.get('continue') || undefined;
  const errors: FieldError[] = [];
  if (match && !resourceVersion) {
    errors.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
    );
  } else if (match && match !== 'Exact' && match !== 'NotOlderThan') {
    errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
  } else if (match === 'Exact' && resourceVersion === '0') {
    errors.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'),
    );
  }
  if (errors.length > 0) throw invalidObject({ group: optionsGroup, kind: 'ListOptions' }, '', errors);
  if (token && resourceVersion && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  return {
    ...selectionOf(resource, query),
    limit: limit && limit > 0 ? limit : undefined,
    continueToken: token,
    resourceVersion,
    resourceVersionMatch: match,
  };
}

const defaultWatchSeconds = 1800;
/** A timer holds no more than 2^31 ms. */
const maximumWatchSeconds = 24 * 3600;
const bookmarkIntervalMs = 60_000;

/** Throws StatusError 400, 422. */
export function watchOptions(resource: Resource, query: URLSearchParams): WatchOptions {
  const version = query.get('resourceVersion') ?? '';
  const sendInitialEvents = booleanOf(query, 'sendInitialEvents') === true;
  const errors: FieldError[] = [];
  if (query.has('sendInitialEvents') && query.get('resourceVersionMatch') !== 'NotOlderThan') {
    const told = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    errors.push(forbiddenField('resourceVersionMatch', told));
  }
  if (!query.has('sendInitialEvents') && query.get('resourceVersionMatch')) {
    const told = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
    errors.push(forbiddenField('resourceVersionMatch', told));
  }
  if (errors.length > 0) throw invalidObject({ group: optionsGroup, kind: 'ListOptions' }, '', errors);
  return {
    ...selectionOf(resource, query),
    fromRevision: watchRevision(version),
    bookmarks: booleanOf(query, 'allowWatchBookmarks') === true,
    sendInitialEvents,
    timeoutMs: Math.min(wholeNumber(query, 'timeoutSeconds') || defaultWatchSeconds, maximumWatchSeconds) * 1000,
    bookmarkIntervalMs,
  };
}

function watchRevision(text: string): number {
  try {
    return parseRevision(text);
  } catch (error) {
    if (error instanceof StatusError) throw new StatusError(500, '', error.message);
    throw error;
  }
}

/** Options of the query and of the body, where those of the body win. Throws StatusError 400. */
export function deleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (body !== undefined && given.kind !== undefined && given.kind !== 'DeleteOptions') {
    throw badRequest(`${given.kind} in version "v1" cannot be handled as DeleteOptions`);
  }
  const dryRun = [...query.getAll('dryRun'), ...(Array.isArray(given.dryRun) ? given.dryRun.map(String) : [])];
  const errors = dryRunErrors(dryRun);
  const orphan = given.orphanDependents ?? booleanOf(query, 'orphanDependents');
  const policy = given.propagationPolicy ?? query.get('propagationPolicy') ?? undefined;
  if (orphan !== undefined && policy !== undefined) {
    errors.push(invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'));
  }
  if (errors.length > 0) throw invalidObject({ group: optionsGroup, kind: 'DeleteOptions' }, '', errors);
  const legacy = orphan === undefined ? undefined : orphan ? 'Orphan' : 'Background';
  return {
    dryRun: dryRun.some((value) => value !== ''),
    propagationPolicy: policy === undefined ? legacy : String(policy),
    preconditions: given.preconditions as DeleteOptions['preconditions'],
  };
}

/** As Kubernetes reads it: anything but 0 and false means yes, also nothing (`?watch`). Undefined when it is not there. */
export function booleanOf(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  return text === null ? undefined : text !== '0' && text.toLowerCase() !== 'false';
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,9}$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}
