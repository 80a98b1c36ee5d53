// What was done for one request, in all processes that had a part in it, as OpenTelemetry spans. Off unless it is asked for:
// then nothing of OpenTelemetry is loaded. Invariants: no span holds code, arguments, variables, output or a credential;
// nothing waits for where spans are sent.

/** Names as OpenTelemetry's conventions have them; ours begin with `tvm.`. */
export type Attributes = Record<string, string | number | boolean>;
/** The value of a header of the caller, by its name in lower case. */
export type HeaderOf = (name: string) => string | null | undefined;

export interface SpanOptions {
  kind?: 'internal' | 'server' | 'client';
  attributes?: Attributes;
  /** Headers of a caller in another process, which may say what trace this belongs to. */
  from?: HeaderOf;
  /** Begins a trace when there is none to belong to; else there is no span then. */
  root?: boolean;
}

export interface Span {
  set(attributes: Attributes): void;
  rename(name: string): void;
  /** Ends it, failed when there is an error. Further calls do nothing. */
  end(error?: unknown): void;
  /** Runs `work`, whose spans belong to this one. */
  in<T>(work: () => T): T;
  /** What another process must be sent to go on with it. */
  headers(): Record<string, string>;
}

export interface Tracing extends AsyncDisposable {
  begin(name: string, options?: SpanOptions): Span;
  /** Runs `work`, which has its cause in what is under way but is no part of it. */
  outside<T>(work: () => T): T;
}

export interface TracingSettings {
  /** What this process is called in traces. */
  service: string;
  version: string;
  /** Of the traces that begin here so many are recorded: 0 to 1. */
  ratio: number;
}

/** Where spans go is read by OpenTelemetry itself from its own variables (OTEL_EXPORTER_OTLP_*). */
export async function openTracing(settings: TracingSettings): Promise<Tracing> {
  const { makeTracing } = await import('./opentelemetry.ts');
  return makeTracing(settings);
}

/** Runs `work` as a span. Without tracing it only runs. */
export async function inSpan<T>(
  tracing: Tracing | undefined,
  name: string,
  work: () => Promise<T>,
  options?: SpanOptions,
): Promise<T> {
  return tracing ? await runInSpan(tracing.begin(name, options), work) : await work();
}

/** Runs `work` in a span that has begun, which ends with it. */
export async function runInSpan<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    const result = await span.in(work);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** The same items, made as part of the span, which ends with them; `onItem` may add to it. */
export async function* itemsInSpan<T, R>(
  span: Span,
  items: AsyncIterable<T, R>,
  onItem: (item: T) => void = () => undefined,
): AsyncGenerator<T, R, undefined> {
  const source = items[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await span.in(() => source.next());
      if (next.done) {
        isOver = true;
        return next.value;
      }
      onItem(next.value);
      yield next.value;
    }
  } catch (error) {
    isOver = true;
    span.end(error);
    throw error;
  } finally {
    // Whoever takes no more items does not wait for the source: it may go on until it is cancelled.
    span.end();
    if (!isOver) await span.in(async () => await source.return?.());
  }
}
