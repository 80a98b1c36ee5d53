// Leases: durations are positive, transitions only count up from 0.
import { isJsonObject } from '../objects/api-object.ts';
import * as errors from '../status/field-error.ts';
import type { Rules } from './resource.ts';

export const leaseRules: Rules = {
  createsOnUpdate: true,
  requiresVersion: true,
  validate({ spec }) {
    const { leaseDurationSeconds: duration, leaseTransitions: transitions } = isJsonObject(spec) ? spec : {};
    return [
      ...(typeof duration === 'number' && duration <= 0
        ? [errors.invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
        : []),
      ...(typeof transitions === 'number' && transitions < 0
        ? [errors.invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
        : []),
    ];
  },
};
