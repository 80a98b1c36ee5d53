// The Table form of objects and lists, which `kubectl get` prints.
import type { ApiObject, JsonObject } from '../objects/api-object.ts';
import type { Column, Resource } from '../resources/resource.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique in its namespace.',
  priority: 0,
  cell: (object) => object.metadata.name ?? '',
};

export interface TableOptions {
  include: IncludeObject;
  nowMs: number;
  /** Watch events after the first leave the column definitions out. */
  withColumns?: boolean;
}

export function tableOf(
  resource: Resource,
  objects: readonly ApiObject[],
  metadata: JsonObject,
  options: TableOptions,
): JsonObject {
  const columns = resource.columns.some((column) => column.name === 'Name')
    ? resource.columns
    : [nameColumn, ...resource.columns];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: options.withColumns === false ? null : columns.map(definitionOf),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.nowMs)),
      ...rowObject(object, options.include),
    })),
  };
}

function definitionOf({ name, type, format = '', description = '', priority = 0 }: Column): JsonObject {
  return { name, type, format, description, priority };
}

function rowObject(object: ApiObject, include: IncludeObject): JsonObject {
  if (include === 'None') return {};
  return { object: include === 'Object' ? object : partialOf(object) };
}

/** Only the metadata of an object. */
export function partialOf(object: ApiObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
