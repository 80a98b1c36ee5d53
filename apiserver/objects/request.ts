// One request for an object or a collection, already parsed; what every verb gets.
import type { Resource } from '../resources/resource.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface WriteOptions {
  dryRun: boolean;
  /** Who makes the change, for managedFields. */
  manager: string;
  fieldValidation: FieldValidation;
  /** Takes fields from other managers on apply. */
  force: boolean;
}

export interface Target {
  resource: Resource;
  /** '' for cluster-wide resources. */
  namespace: string;
  name: string;
  /** '' for the object itself. */
  subresource: string;
}

export interface WriteRequest extends Target, WriteOptions {
  /** Told to the client in Warning headers. */
  warnings: string[];
}
