// What every verb works with.
import type { Clock } from '@tvm/kit/clock.ts';
import type { Registry } from '../resources/registry.ts';
import type { Store } from '../store/store.ts';

export interface Services {
  store: Store;
  registry: Registry;
  clock: Clock;
}

/** The time of the clock as Kubernetes writes it: RFC 3339, whole seconds. */
export function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
}
