// What the server knows about a resource: names, schema, columns and the rules of its own.
import type { PrinterColumn } from '@tvm/api/kinds/meta.ts';
import type { ApiObject } from '../objects/api-object.ts';
import type { Schema } from '../schema/schema.ts';
import type { FieldError } from '../status/field-error.ts';

export interface Scale {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string;
}

/** A column of `kubectl get`: where in the object its cell is. */
export type Column = Omit<PrinterColumn, 'jsonPath'> & { cell: (object: ApiObject, nowMs: number) => unknown };

/** What is special about a resource; everything absent is as for any other. */
export interface Rules {
  /** Fills what the server owns on create. */
  prepareCreate?(object: ApiObject, now: string): void;
  /** Keeps what may not change, on update. */
  prepareUpdate?(object: ApiObject, live: ApiObject): void;
  validate?(object: ApiObject, live: ApiObject | undefined): FieldError[];
  /** From the version of this resource to the stored one, and back. */
  toStored?(object: ApiObject): ApiObject;
  fromStored?(object: ApiObject): ApiObject;
  /** Why the object may not be deleted. */
  protects?(name: string): string | undefined;
  /** Names are DNS labels and not subdomains. */
  nameIsLabel?: boolean;
  /** Longest name of a new object. */
  maxNameLength?: number;
  /** There is no request that deletes all of them. */
  deletedOneByOne?: boolean;
  /** PUT to a name that does not exist creates it. */
  createsOnUpdate?: boolean;
  /** PUT without resourceVersion is refused. */
  requiresVersion?: boolean;
  /** Generation counts changes of everything but metadata and status. */
  countsGenerations?: boolean;
}

export interface Resource {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  /** What objects are stored under; two resources of one storage are versions of the same objects. */
  storage: string;
  /** Custom resources are pruned and validated by their schema, and know no strategic merge. */
  custom: boolean;
  schema: Schema;
  /** The name of the schema in OpenAPI documents. */
  schemaName: string;
  columns: readonly Column[];
  /** Further subresources: status, finalize. */
  subresources: readonly string[];
  scale?: Scale;
  /** Field labels for selectors beside metadata.name and metadata.namespace. */
  fieldLabels: readonly string[];
  rules: Rules;
}

export function groupVersionOf(resource: { group: string; version: string }): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version;
}

export function listKindOf(resource: Resource): string {
  return `${resource.kind}List`;
}
