// Kubernetes' own resources that the server has: namespaces, secrets, config maps, events, leases, custom resource definitions.
import { coreSchema } from '../openapi/core-schemas.ts';
import { ageOf } from '../table/age.ts';
import { configMapRules } from './config-map-rules.ts';
import { crdRules } from './crd-rules.ts';
import { eventColumns, eventRules, eventsGroupRules } from './event-rules.ts';
import { leaseRules } from './lease-rules.ts';
import { namespaceRules } from './namespace-rules.ts';
import type { Column, Resource } from './resource.ts';
import { secretRules } from './secret-rules.ts';

const age: Column = {
  name: 'Age',
  type: 'string',
  description: 'How long ago the object was created.',
  cell: (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs),
};

const count = (value: unknown): number => Object.keys(value ?? {}).length;

type Definition = Pick<Resource, 'kind' | 'plural' | 'schemaName'> & Partial<Resource>;

function resourceOf(definition: Definition): Resource {
  const { group = '', plural } = definition;
  return {
    group,
    version: 'v1',
    singular: definition.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    storage: group ? `${group}/${plural}` : plural,
    custom: false,
    schema: coreSchema(definition.schemaName),
    columns: [age],
    subresources: [],
    fieldLabels: [],
    rules: {},
    ...definition,
  };
}

const namespaces = resourceOf({
  kind: 'Namespace',
  plural: 'namespaces',
  schemaName: 'io.k8s.api.core.v1.Namespace',
  namespaced: false,
  shortNames: ['ns'],
  subresources: ['status', 'finalize'],
  fieldLabels: ['status.phase'],
  columns: [
    { name: 'Status', type: 'string', cell: (object) => (object.status as { phase?: string })?.phase ?? '' },
    age,
  ],
  rules: namespaceRules,
});

const secrets = resourceOf({
  kind: 'Secret',
  plural: 'secrets',
  schemaName: 'io.k8s.api.core.v1.Secret',
  fieldLabels: ['type'],
  columns: [
    { name: 'Type', type: 'string', cell: (object) => object.type ?? '' },
    { name: 'Data', type: 'string', cell: (object) => count(object.data) },
    age,
  ],
  rules: secretRules,
});

const configMaps = resourceOf({
  kind: 'ConfigMap',
  plural: 'configmaps',
  schemaName: 'io.k8s.api.core.v1.ConfigMap',
  shortNames: ['cm'],
  columns: [{ name: 'Data', type: 'string', cell: (object) => count(object.data) + count(object.binaryData) }, age],
  rules: configMapRules,
});

const involvedObject = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];
const regardedFields = ['reason', 'reportingController', 'type'];

const events = resourceOf({
  kind: 'Event',
  plural: 'events',
  schemaName: 'io.k8s.api.core.v1.Event',
  shortNames: ['ev'],
  storage: 'events',
  fieldLabels: [...involvedObject.map((field) => `involvedObject.${field}`), ...regardedFields, 'source'],
  columns: eventColumns('involvedObject', 'message'),
  rules: eventRules,
});

const regardingEvents = resourceOf({
  ...events,
  group: 'events.k8s.io',
  schemaName: 'io.k8s.api.events.v1.Event',
  schema: coreSchema('io.k8s.api.events.v1.Event'),
  fieldLabels: [...involvedObject.map((field) => `regarding.${field}`), ...regardedFields],
  columns: eventColumns('regarding', 'note'),
  rules: eventsGroupRules,
});

const leases = resourceOf({
  group: 'coordination.k8s.io',
  kind: 'Lease',
  plural: 'leases',
  schemaName: 'io.k8s.api.coordination.v1.Lease',
  columns: [
    {
      name: 'Holder',
      type: 'string',
      cell: (object) => (object.spec as { holderIdentity?: string })?.holderIdentity ?? '',
    },
    age,
  ],
  rules: leaseRules,
});

const customResourceDefinitions = resourceOf({
  group: 'apiextensions.k8s.io',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  schemaName: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  namespaced: false,
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  subresources: ['status'],
  columns: [{ name: 'Created At', type: 'date', cell: (object) => object.metadata.creationTimestamp ?? null }],
  rules: crdRules,
});

export const coreResources: readonly Resource[] = [
  namespaces,
  secrets,
  configMaps,
  events,
  regardingEvents,
  leases,
  customResourceDefinitions,
];
