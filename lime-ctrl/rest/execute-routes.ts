// POST /v1/execute: one JSON result, or NDJSON events as they happen.

import { TvmError } from '@tvm/api/errors.ts';
import { type ExecuteResult, executeRequest, executeResult } from '@tvm/api/rest/execute.ts';
import { toProblem } from '@tvm/api/rest/problem.ts';
import { type ExecuteEvent, executeEvent } from '@tvm/api/rest/stream.ts';
import type { Engine, RunEvent } from '../engine/engine.ts';
import { BoundedText } from './bounded-text.ts';
import { type App, addEndpoint } from './endpoint.ts';
import { namespaceQuery } from './microvm-routes.ts';
import { jsonResponse, streamResponse } from './responses.ts';

const ndjson = 'application/x-ndjson';
const encoder = new TextEncoder();
type Decoders = Record<'stdout' | 'stderr', InstanceType<typeof TextDecoder>>;

export function addExecuteRoutes(app: App, { engine }: { engine: Engine }): void {
  addEndpoint(app, {
    method: 'post',
    path: '/v1/execute',
    summary: 'Run code once, in a machine of its own. A WebSocket here streams; see the stream protocol.',
    query: namespaceQuery,
    body: executeRequest,
    answers: {
      status: 200,
      description: 'The result; with Accept: application/x-ndjson one event a line.',
      content: { 'application/json': executeResult, [ndjson]: executeEvent },
    },
    handle: async ({ namespace, body, context, gone }) => {
      const options = { namespace, signal: gone };
      if (context.req.header('accept')?.includes(ndjson)) {
        const run = engine.execute(body, options);
        gone.addEventListener('abort', () => void run.return(), { once: true });
        // What is refused before anything happened gets a status of its own.
        const first = await run.next();
        return streamResponse(eventLines(continued(first, run)), ndjson);
      }
      return jsonResponse(await collect(engine.execute(body, options)));
    },
  });
}

/** Runs to the end, keeping the first MiB of each output and letting the rest go. */
async function collect(run: AsyncIterable<RunEvent>): Promise<ExecuteResult> {
  const texts = { stdout: new BoundedText(), stderr: new BoundedText() };
  let machine: ExecuteResult['machine'] | undefined;
  for await (const event of run) {
    if (event.type === 'started') machine = event.machine;
    else if (event.type === 'output') texts[event.channel].add(event.bytes);
    else if (event.type === 'exited' && machine) {
      const { exitCode, timedOut, durationMs } = event;
      const truncated = texts.stdout.truncated || texts.stderr.truncated;
      const output = { stdout: texts.stdout.text(), stderr: texts.stderr.text() };
      return { exitCode, ...output, timedOut, truncated, durationMs, machine };
    }
  }
  throw new TvmError('internal', 'execute: the run ended without a result');
}

async function* continued(first: IteratorResult<RunEvent, void>, run: AsyncGenerator<RunEvent, void>) {
  try {
    if (!first.done) yield first.value;
    yield* run;
  } finally {
    await run.return();
  }
}

/** One event a line; a failure is the last line. */
async function* eventLines(run: AsyncIterable<RunEvent>): AsyncIterable<Uint8Array> {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  try {
    for await (const event of run) {
      if (event.type === 'exited') yield* lastTexts(decoders);
      const line = lineOf(event, decoders);
      if (line) yield encodeLine(line);
    }
  } catch (error) {
    yield encodeLine({ type: 'error', problem: toProblem(TvmError.from(error)) });
  }
}

function lineOf(event: RunEvent, decoders: Decoders): ExecuteEvent | undefined {
  if (event.type === 'output') {
    const text = decoders[event.channel].decode(event.bytes, { stream: true });
    return text === '' ? undefined : { type: event.channel, text };
  }
  return event.type === 'started' ? { ...event, stdoutOffset: 0, stderrOffset: 0 } : event;
}

function* lastTexts(decoders: Decoders): Iterable<Uint8Array> {
  for (const type of ['stdout', 'stderr'] as const) {
    const text = decoders[type].decode();
    if (text !== '') yield encodeLine({ type, text });
  }
}

const encodeLine = (event: ExecuteEvent) => encoder.encode(`${JSON.stringify(event)}\n`);
