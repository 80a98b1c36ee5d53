// How the fields of a request are tracked in managedFields.

import { fieldElement } from '../apply/field-set.ts';
import type { Tracking } from '../apply/track-update.ts';
import { groupVersionOf } from '../resources/resource.ts';
import type { WriteRequest } from './request.ts';
import { type Services, timestamp } from './services.ts';

export function trackingOf({ clock }: Services, request: WriteRequest, operation: 'Apply' | 'Update'): Tracking {
  const { resource, subresource, manager } = request;
  const properties = Object.keys(resource.schema.properties ?? {});
  const content = properties.filter((name) => !['apiVersion', 'kind', 'metadata', 'status'].includes(name));
  const hasStatus = resource.subresources.includes('status');
  return {
    schema: resource.schema,
    identity: { name: manager, operation, apiVersion: groupVersionOf(resource), subresource },
    resetRoots: (subresource === 'status' ? content : hasStatus ? ['status'] : []).map(fieldElement),
    now: timestamp(clock),
    always: resource.custom ? [] : ['spec', 'status'].filter((name) => properties.includes(name)),
  };
}
