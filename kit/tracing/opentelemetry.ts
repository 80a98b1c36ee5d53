// Spans by OpenTelemetry's SDK, sent as OTLP over HTTP. Loaded only when traces are asked for.
// Invariant: nothing is registered for the whole process; what is under way is known by Node's own asynchronous context.
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { TvmError } from '@tvm/api/errors.ts';
import type { HeaderOf, Span, SpanOptions, Tracing, TracingSettings } from './tracing.ts';

const sendEveryMs = 1_000;
const closeMs = 2_000;
const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT };

export function makeTracing({ service, version, ratio }: TracingSettings): Tracing {
  const exporter = new OTLPTraceExporter();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.version': version }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: sendEveryMs })],
    spanLimits: { attributeValueLengthLimit: 1024 },
  });
  const tracer = provider.getTracer('tvm', version);
  const propagator = new W3CTraceContextPropagator();
  const active = new AsyncLocalStorage<Context>();

  function parentOf(from: HeaderOf | undefined): Context | undefined {
    const told = from && propagator.extract(ROOT_CONTEXT, from, headerGetter);
    return told && trace.getSpanContext(told) ? told : active.getStore();
  }

  function headersOf(context: Context): Record<string, string> {
    const headers: Record<string, string> = {};
    propagator.inject(context, headers, {
      set: (carrier, name, value) => {
        carrier[name] = value;
      },
    });
    return headers;
  }

  return {
    begin(name, { kind = 'internal', attributes = {}, from, root = false }: SpanOptions = {}): Span {
      const parent = parentOf(from);
      if (!parent && !root) return noSpan;
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes }, parent ?? ROOT_CONTEXT);
      const context = trace.setSpan(parent ?? ROOT_CONTEXT, span);
      return {
        set: (more) => void span.setAttributes(more),
        rename: (other) => void span.updateName(other),
        end(error) {
          if (!span.isRecording()) return;
          // The code alone: messages may quote what a caller gave.
          if (error !== undefined) {
            span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute('error.type', TvmError.from(error).code);
          }
          span.end();
        },
        in: (work) => active.run(context, work),
        headers: () => headersOf(context),
      };
    },
    outside: (work) => active.exit(work),
    async [Symbol.asyncDispose]() {
      // Whoever takes spans may be away: what is not taken in time is lost.
      const late = new Promise<void>((resolve) => setTimeout(resolve, closeMs).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

const headerGetter = {
  get: (from: HeaderOf, name: string) => from(name) ?? undefined,
  keys: () => ['traceparent', 'tracestate'],
};

/** Of what belongs to no trace. */
const noSpan: Span = {
  set: () => undefined,
  rename: () => undefined,
  end: () => undefined,
  in: (work) => work(),
  headers: () => ({}),
};
