// What a process of the fake flintlock does: the source text is a list of lines, "print X", "err X", "cat", "exit N",
// "forever" (prints without end), "hang" (never ends), "env NAME", "interpreter" (prints the one it was asked to run in).
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type { ExecRequest } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type Input, type Output, OutputSchema, type StartProcess } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Body = NonNullable<MessageInitShape<typeof OutputSchema>['body']>;
const output = (body: Body): Output => create(OutputSchema, { body });
const stdout = (text: string) => output({ case: 'stdout', value: encoder.encode(text) });
const exited = (code: number, timedOut = false, signal = '') =>
  output({ case: 'exited', value: { code, timedOut, signal } });

export async function* runFakeProgram(
  requests: AsyncIterable<ExecRequest>,
  use: (uid: string) => void,
  ended: AbortSignal,
): AsyncIterable<Output> {
  const messages = requests[Symbol.asyncIterator]();
  const first = (await messages.next()).value as ExecRequest | undefined;
  if (first?.body.case !== 'start' || !first.body.value.process) {
    throw new TvmError('not_found', 'the fake keeps no processes');
  }
  use(first.body.value.uid);
  const process = first.body.value.process;
  yield output({ case: 'started', value: { id: process.id || 'p1', pid: 42 } });
  const inputs = inputsOf(messages);
  const source = process.files[0] ? decoder.decode(process.files[0].content) : (process.argv.at(-1) ?? '');
  for (const line of source.split('\n')) {
    for await (const each of runLine(line.trim(), process, inputs, ended)) {
      yield each;
      if (each.body.case === 'exited') return;
    }
  }
  yield exited(0);
}

async function* runLine(
  line: string,
  process: StartProcess,
  inputs: AsyncIterable<Input>,
  ended: AbortSignal,
): AsyncIterable<Output> {
  const [verb = '', ...words] = line.split(' ');
  const rest = words.join(' ');
  if (verb === 'print') yield stdout(`${rest}\n`);
  else if (verb === 'err') yield output({ case: 'stderr', value: encoder.encode(`${rest}\n`) });
  else if (verb === 'env') yield stdout(`${process.env[rest] ?? ''}\n`);
  else if (verb === 'interpreter') yield stdout(`${process.interpreter}\n`);
  else if (verb === 'exit') yield exited(Number(rest));
  else if (verb === 'cat') yield* cat(inputs);
  else if (verb === 'forever') yield* forever(ended);
  else if (verb === 'hang') yield* hang(process.timeoutMs, inputs, ended);
}

async function* cat(inputs: AsyncIterable<Input>): AsyncIterable<Output> {
  for await (const { body } of inputs) {
    if (body.case === 'stdin') yield output({ case: 'stdout', value: body.value });
    else if (body.case === 'end') return;
    else if (body.case === 'signal') yield exited(137, false, body.value);
  }
}

async function* forever(ended: AbortSignal): AsyncIterable<Output> {
  const chunk = new Uint8Array(65_536).fill(97);
  while (!ended.aborted) {
    yield output({ case: 'stdout', value: chunk });
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new TvmError('unavailable', 'the machine ended', { reason: 'VmmExited' });
}

async function* hang(timeoutMs: number, inputs: AsyncIterable<Input>, ended: AbortSignal): AsyncIterable<Output> {
  const killed = (async () => {
    for await (const { body } of inputs) if (body.case === 'signal') return exited(137, false, body.value);
    return new Promise<never>(() => {});
  })();
  const gone = new Promise<'gone'>((resolve) => ended.addEventListener('abort', () => resolve('gone'), { once: true }));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Output>((resolve) => {
    if (timeoutMs > 0) timer = setTimeout(() => resolve(exited(137, true, 'SIGKILL')), timeoutMs);
  });
  const result = await Promise.race([killed, gone, late]).finally(() => clearTimeout(timer));
  if (result === 'gone') throw new TvmError('unavailable', 'the machine ended', { reason: 'VmmExited' });
  yield result;
}

async function* inputsOf(messages: AsyncIterator<ExecRequest>): AsyncIterable<Input> {
  for (;;) {
    const { value, done } = await messages.next();
    if (done) return;
    if (value.body.case === 'input') yield value.body.value;
  }
}
