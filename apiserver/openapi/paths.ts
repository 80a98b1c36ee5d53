// The paths of an OpenAPI v3 document: which verbs a resource has, and the parameters that clients look for before they
// use them (fieldValidation, dryRun).
import { acceptedPatches } from '../objects/patch.ts';
import type { Resource } from '../resources/resource.ts';
import { metaPackage, schemaPrefix } from './kubernetes/shapes.ts';
import type { Operation, Parameter, PathItem } from './swagger.ts';

const patchSchema = { $ref: `${schemaPrefix}${metaPackage}.Patch` };
const statusSchema = { $ref: `${schemaPrefix}${metaPackage}.Status` };

const parameter = (name: string, type: 'string' | 'boolean' | 'integer', description: string): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { type, uniqueItems: true },
});

const writeParameters = [
  parameter('dryRun', 'string', 'All: nothing is stored.'),
  parameter('fieldManager', 'string', 'Who makes the change; required for apply.'),
  parameter('fieldValidation', 'string', 'What to do with unknown fields: Ignore, Warn or Strict.'),
];
const patchParameters = [...writeParameters, parameter('force', 'boolean', 'Take fields of other managers on apply.')];
const listParameters = [
  parameter('allowWatchBookmarks', 'boolean', 'Whether to send BOOKMARK events.'),
  parameter('continue', 'string', 'Where a list goes on.'),
  parameter('fieldSelector', 'string', 'Only objects with these fields.'),
  parameter('labelSelector', 'string', 'Only objects with these labels.'),
  parameter('limit', 'integer', 'At most this many objects.'),
  parameter('resourceVersion', 'string', 'The version to list at or to watch from.'),
  parameter('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  parameter('sendInitialEvents', 'boolean', 'Whether a watch begins with the objects that exist.'),
  parameter('timeoutSeconds', 'integer', 'When a watch ends.'),
  parameter('watch', 'boolean', 'Whether to watch.'),
];

const pathParameter = (name: string, description: string): Parameter => ({
  name,
  in: 'path',
  description,
  required: true,
  schema: { type: 'string', uniqueItems: true },
});

export function pathsOf(resource: Resource): Record<string, PathItem> {
  const { group, version, plural, namespaced } = resource;
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const inNamespace = namespaced ? [pathParameter('namespace', 'object name and auth scope')] : [];
  const single = [pathParameter('name', `name of the ${resource.kind}`), ...inNamespace];
  const subresources = [...resource.subresources, ...(resource.scale ? ['scale'] : [])];
  const paths: Record<string, PathItem> = {
    [collection]: { ...collectionOperations(resource), parameters: inNamespace },
    [`${collection}/{name}`]: { ...singleOperations(resource), parameters: single },
    ...Object.fromEntries(
      subresources.map((name) => [
        `${collection}/{name}/${name}`,
        { ...subresourceOperations(resource), parameters: single },
      ]),
    ),
  };
  if (namespaced) paths[`${root}/${plural}`] = { get: operation(resource, 'list', listParameters) };
  return paths;
}

function collectionOperations(resource: Resource): PathItem {
  return {
    get: operation(resource, 'list', listParameters),
    post: { ...operation(resource, 'post', writeParameters), requestBody: bodyOf(resource) },
    delete: operation(resource, 'deletecollection', listParameters),
  };
}

function singleOperations(resource: Resource): PathItem {
  return {
    ...subresourceOperations(resource),
    delete: operation(resource, 'delete', [parameter('propagationPolicy', 'string', 'What becomes of dependents.')]),
  };
}

function subresourceOperations(resource: Resource): PathItem {
  const patches = Object.fromEntries(acceptedPatches(resource).map((type) => [type, { schema: patchSchema }]));
  return {
    get: operation(resource, 'get', []),
    put: { ...operation(resource, 'put', writeParameters), requestBody: bodyOf(resource) },
    patch: { ...operation(resource, 'patch', patchParameters), requestBody: { content: patches, required: true } },
  };
}

function bodyOf({ schemaName }: Resource) {
  return { content: { '*/*': { schema: { $ref: `${schemaPrefix}${schemaName}` } } }, required: true };
}

function operation({ group, version, kind, schemaName }: Resource, action: string, parameters: Parameter[]): Operation {
  const answers = action.startsWith('delete')
    ? statusSchema
    : { $ref: `${schemaPrefix}${schemaName}${action === 'list' ? 'List' : ''}` };
  return {
    description: `${action} ${kind}`,
    parameters,
    responses: { 200: { description: 'OK', content: { 'application/json': { schema: answers } } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind },
  };
}
