// The project's own kinds as resources of the server.
import { objectSchemaOf } from '@tvm/api/crd.ts';
import { group, type Kind, type PrinterColumn, version } from '@tvm/api/kinds/meta.ts';
import { coreSchema } from '../openapi/core-schemas.ts';
import { ageOf } from '../table/age.ts';
import { valueAt } from '../table/json-path.ts';
import type { Column, Resource } from './resource.ts';

export const metadataSchemaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

export function customResourceOf(kind: Kind): Resource {
  const schema = objectSchemaOf(kind);
  return {
    group,
    version,
    plural: kind.plural,
    singular: kind.singular,
    kind: kind.kind,
    shortNames: kind.shortNames,
    categories: kind.categories,
    namespaced: true,
    storage: `${group}/${kind.plural}`,
    custom: true,
    schema: { ...schema, properties: { ...schema.properties, metadata: coreSchema(metadataSchemaName) } },
    schemaName: `${group.split('.').reverse().join('.')}.${version}.${kind.kind}`,
    columns: kind.columns.map(columnOf),
    subresources: ['status'],
    ...(kind.scale && { scale: kind.scale }),
    fieldLabels: kind.selectableFields.map((jsonPath) => jsonPath.slice(1)),
    rules: {
      requiresVersion: true,
      countsGenerations: true,
      ...(kind.maxNameLength !== undefined && { maxNameLength: kind.maxNameLength }),
    },
  };
}

function columnOf(column: PrinterColumn): Column {
  const { jsonPath, ...shown } = column;
  const description = column.description ?? descriptionOf(jsonPath);
  const cell: Column['cell'] = (object, nowMs) => {
    const value = valueAt(object, jsonPath);
    if (column.type === 'date') return value === undefined ? null : ageOf(value, nowMs);
    if (value === undefined) return null;
    return column.type === 'string' && typeof value !== 'string' ? JSON.stringify(value) : value;
  };
  return { ...shown, description, cell };
}

const creationDescription = 'How long ago the object was created.';

function descriptionOf(jsonPath: string): string {
  if (jsonPath === '.metadata.creationTimestamp') return creationDescription;
  return `Custom resource definition column (in JSONPath format): ${jsonPath}`;
}
