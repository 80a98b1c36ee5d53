// The engine and its pool with spans. Invariant: a run's span has what it asked for and how it ended, never its code or output.
import { inSpan, itemsInSpan, type Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { Engine, RunEvent } from './engine.ts';
import type { Pool } from './pool.ts';

export function traceEngine(engine: Engine, tracing: Tracing): Engine {
  return {
    execute(request, options) {
      const { language, image = '', cpu, memory } = request;
      const attributes = { 'tvm.language': language, 'tvm.image': image, 'tvm.cpu': cpu, 'tvm.memory_mb': memory };
      const span = tracing.begin('execute', { attributes: { ...attributes, 'tvm.namespace': options.namespace } });
      const note = (event: RunEvent) => {
        if (event.type === 'started') span.set({ 'tvm.machine': event.machine.id, 'tvm.start': event.machine.start });
        if (event.type === 'exited') span.set({ 'tvm.exit_code': event.exitCode, 'tvm.timed_out': event.timedOut });
      };
      return itemsInSpan(span, engine.execute(request, options), note);
    },
  };
}

/** For the engine: how a run came to its machine. What becomes of the machine afterwards is no part of the run. */
export function tracePool(pool: Pool, tracing: Tracing): Pool {
  return {
    ...pool,
    claim(shape) {
      const span = tracing.begin('claim');
      const claimed = pool.claim(shape);
      span.set({ 'tvm.waiting': claimed !== undefined });
      span.end();
      return claimed;
    },
    make: (shape) => inSpan(tracing, 'make', () => pool.make(shape)),
    spend: (uid) => tracing.outside(() => pool.spend(uid)),
  };
}
