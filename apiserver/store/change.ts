// One change of one object, as the store records it and watchers see it.
import type { ApiObject } from '../objects/api-object.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface Change {
  type: ChangeType;
  revision: number;
  storage: string;
  namespace: string;
  name: string;
  /** After the change; of a deletion the last state, with the deletion's revision. */
  object: ApiObject;
  /** Before the change; undefined on ADDED. */
  previous: ApiObject | undefined;
}

export interface Key {
  storage: string;
  namespace: string;
  name: string;
}
