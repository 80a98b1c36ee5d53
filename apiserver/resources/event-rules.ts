// Events: one set of objects under two versions, v1 (which is stored) and events.k8s.io/v1 with other names for fields.
import { type ApiObject, isJsonObject } from '../objects/api-object.ts';
import * as errors from '../status/field-error.ts';
import { ageOf } from '../table/age.ts';
import type { Column, Rules } from './resource.ts';

const storedNames = new Map(
  Object.entries({
    regarding: 'involvedObject',
    note: 'message',
    deprecatedSource: 'source',
    deprecatedFirstTimestamp: 'firstTimestamp',
    deprecatedLastTimestamp: 'lastTimestamp',
    deprecatedCount: 'count',
    reportingController: 'reportingComponent',
  }),
);
const newNames = new Map([...storedNames].map(([name, stored]) => [stored, name]));

function renamed(object: ApiObject, apiVersion: string, names: ReadonlyMap<string, string>): ApiObject {
  const entries = Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value]);
  return { ...(Object.fromEntries(entries) as ApiObject), apiVersion };
}

export const eventRules: Rules = {
  createsOnUpdate: true,
  validate(object) {
    const involved = isJsonObject(object.involvedObject) ? object.involvedObject : {};
    const expected = involved.namespace || 'default';
    if (object.metadata.namespace === expected) return [];
    return [errors.invalid('involvedObject.namespace', involved.namespace ?? '', 'does not match event.namespace')];
  },
};

export const eventsGroupRules: Rules = {
  createsOnUpdate: true,
  toStored: (object) => renamed(object, 'v1', storedNames),
  fromStored: (object) => renamed(object, 'events.k8s.io/v1', newNames),
  validate(object, live) {
    if (live) return [];
    const missing = ['reportingController', 'reportingInstance', 'action', 'reason', 'eventTime'];
    return missing.filter((field) => !object[field]).map((field) => errors.required(field));
  },
};

/** The columns of `kubectl get events`, by what the version calls the object and the text. */
export function eventColumns(objectField: string, textField: string): Column[] {
  return [
    { name: 'Last Seen', type: 'string', cell: (object, nowMs) => ageOf(lastSeen(object), nowMs) },
    { name: 'Type', type: 'string', cell: (object) => object.type ?? '' },
    { name: 'Reason', type: 'string', cell: (object) => object.reason ?? '' },
    { name: 'Object', type: 'string', cell: (object) => objectText(object[objectField]) },
    { name: 'Subobject', type: 'string', priority: 1, cell: (object) => fieldPath(object[objectField]) },
    { name: 'Source', type: 'string', priority: 1, cell: sourceText },
    { name: 'Message', type: 'string', cell: (object) => String(object[textField] ?? '').trim() },
    { name: 'First Seen', type: 'string', priority: 1, cell: (object, nowMs) => ageOf(firstSeen(object), nowMs) },
    { name: 'Count', type: 'string', priority: 1, cell: (object) => countOf(object) },
    { name: 'Name', type: 'string', priority: 1, format: 'name', cell: (object) => object.metadata.name ?? '' },
  ];
}

function countOf(object: ApiObject): unknown {
  const series = isJsonObject(object.series) ? object.series.count : undefined;
  return series ?? object.count ?? object.deprecatedCount ?? 1;
}

function lastSeen(object: ApiObject): unknown {
  const series = isJsonObject(object.series) ? object.series.lastObservedTime : undefined;
  return series ?? object.lastTimestamp ?? object.deprecatedLastTimestamp ?? firstSeen(object);
}

function firstSeen(object: ApiObject): unknown {
  return object.firstTimestamp ?? object.deprecatedFirstTimestamp ?? object.eventTime;
}

function objectText(reference: unknown): string {
  if (!isJsonObject(reference)) return '';
  const kind = String(reference.kind ?? '').toLowerCase();
  return reference.name ? `${kind}/${reference.name}` : kind;
}

function fieldPath(reference: unknown): string {
  return isJsonObject(reference) ? String(reference.fieldPath ?? '') : '';
}

function sourceText(object: ApiObject): string {
  const source = object.source ?? object.deprecatedSource;
  const { component, host } = isJsonObject(source) ? source : {};
  const reporting = object.reportingComponent ?? object.reportingController;
  return [component || reporting, host].filter(Boolean).join(', ');
}
