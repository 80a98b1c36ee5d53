// The paths of an OpenAPI v3 document: which verbs a resource has, and the parameters that clients look for before they
// use them (fieldValidation, dryRun).
import { acceptedPatches, patchTypes } from '../objects/patch.ts';
import type { Resource } from '../resources/resource.ts';
import { scaleSchemaName } from './kubernetes/groups.ts';
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

/** What the documents say of a resource or of the scale of one. */
type Described = Pick<Resource, 'group' | 'version' | 'kind' | 'schemaName'>;

export function pathsOf(resource: Resource): Record<string, PathItem> {
  const { group, version, plural, namespaced } = resource;
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const inNamespace = namespaced ? [pathParameter('namespace', 'object name and auth scope')] : [];
  const single = [pathParameter('name', `name of the ${resource.kind}`), ...inNamespace];
  const paths: Record<string, PathItem> = {
    [collection]: { ...collectionOperations(resource), parameters: inNamespace },
    [`${collection}/{name}`]: { ...singleOperations(resource), parameters: single },
  };
  for (const name of resource.subresources) {
    paths[`${collection}/{name}/${name}`] = { ...subresourceOperations(name, resource), parameters: single };
  }
  if (resource.scale) paths[`${collection}/{name}/scale`] = { ...scaleOperations(resource), parameters: single };
  if (namespaced) paths[`${root}/${plural}`] = { get: operation(resource, 'list', listParameters) };
  return paths;
}

function collectionOperations(resource: Resource): PathItem {
  const deletion = { delete: operation(resource, 'deletecollection', listParameters) };
  return {
    get: operation(resource, 'list', listParameters),
    post: { ...operation(resource, 'post', writeParameters), requestBody: bodyOf(resource) },
    ...(!resource.rules.deletedOneByOne && deletion),
  };
}

function singleOperations(resource: Resource): PathItem {
  return {
    ...changeOperations(resource, acceptedPatches(resource)),
    delete: operation(resource, 'delete', [parameter('propagationPolicy', 'string', 'What becomes of dependents.')]),
  };
}

function subresourceOperations(name: string, resource: Resource): PathItem {
  if (name !== 'finalize') return changeOperations(resource, acceptedPatches(resource));
  return { put: { ...operation(resource, 'put', writeParameters), requestBody: bodyOf(resource) } };
}

function scaleOperations(resource: Resource): PathItem {
  return changeOperations({ ...resource, schemaName: scaleSchemaName }, [patchTypes.json, patchTypes.merge]);
}

function changeOperations(type: Described, patches: readonly string[]): PathItem {
  const content = Object.fromEntries(patches.map((mediaType) => [mediaType, { schema: patchSchema }]));
  return {
    get: operation(type, 'get', []),
    put: { ...operation(type, 'put', writeParameters), requestBody: bodyOf(type) },
    patch: { ...operation(type, 'patch', patchParameters), requestBody: { content, required: true } },
  };
}

function bodyOf({ schemaName }: Described) {
  return { content: { '*/*': { schema: { $ref: `${schemaPrefix}${schemaName}` } } }, required: true };
}

function operation(
  { group, version, kind, schemaName }: Described,
  action: string,
  parameters: Parameter[],
): Operation {
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
