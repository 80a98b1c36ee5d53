// A driver whose work on VMs is seen in traces. Invariant: it does what the driver does, and nothing else.
import { inSpan, type Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { Driver } from './driver.ts';

const traced = new Set(['start', 'restore', 'pause', 'resume', 'snapshot', 'kill', 'destroy', 'dial', 'growDisk']);

type AnyMethod = (...args: unknown[]) => Promise<unknown>;

export function traceDriver(driver: Driver, tracing: Tracing): Driver {
  return new Proxy(driver, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const method: AnyMethod = member.bind(target);
      if (typeof name !== 'string' || !traced.has(name)) return method;
      return (...args: unknown[]) => inSpan(tracing, `vmm.${name}`, () => method(...args));
    },
  });
}
