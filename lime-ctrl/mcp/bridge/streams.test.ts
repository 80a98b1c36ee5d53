// Properties of the pieces that carry messages: lines, the multiplexer, the pace, the end of stderr.
import assert from 'node:assert/strict';
import test from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import fc from 'fast-check';
import { makeLines } from './lines.ts';
import {
  isNotification,
  isRequest,
  type Message,
  parseMessage,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
  resultOf,
} from './messages.ts';
import { makeMux } from './mux.ts';
import { makePace } from './pace.ts';
import { makeTail } from './tail.ts';
import type { Receiver, Wire } from './wire.ts';

test('lines come out as they went in, however the bytes are cut', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll(/[\n\r]/g, ' ').trimEnd());
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 9 })), (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
      const lines = makeLines(1_000);
      const out: string[] = [];
      let at = 0;
      for (const cut of cuts) {
        out.push(...lines.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      out.push(...lines.push(bytes.subarray(at)));
      assert.deepEqual(out, texts);
    }),
  );
});

test('a line of exactly the bound passes, one byte more does not', () => {
  assert.deepEqual(makeLines(4).push(Buffer.from('1234\n')), ['1234']);
  const lines = makeLines(4);
  lines.push(Buffer.from('123'));
  assert.throws(() => lines.push(Buffer.from('45')), { code: 'resource_exhausted' });
});

test('whatever a server prints is a message or nothing', () => {
  const value = fc.oneof(fc.json(), fc.string(), fc.constantFrom('{"jsonrpc":"2.0"}', '[]', 'null'));
  fc.assert(fc.property(value, (text) => parseMessage(text) === undefined || text.includes('2.0')));
  assert.equal(parseMessage('{"jsonrpc":"2.0","id":null,"result":{}}'), undefined);
  assert.equal(parseMessage('{"jsonrpc":"2.0","id":1,"result":"x"}'), undefined);
  assert.equal(parseMessage('{"jsonrpc":"2.0","method":"x","params":[]}'), undefined);
});

interface Held extends Wire {
  sent: Message[];
  emit(message: Message): void;
}

function heldWire(): Held {
  const sent: Message[] = [];
  const ended = Promise.withResolvers<TvmError>();
  let receiver: Receiver | undefined;
  return {
    sent,
    ended: ended.promise,
    end: () => ended.resolve(new TvmError('unavailable', 'the server ended')),
    receive(next) {
      receiver = next;
    },
    send: (message) => void sent.push(message),
    emit: (message) => void receiver?.(message),
  };
}

const callOf = (id: string | number, token?: string | number): RpcRequest => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { _meta: token === undefined ? {} : { progressToken: token } },
});

test('clients that choose the same ids and tokens get their own answers and progress, in any order', async () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      order,
      fc.array(fc.constantFrom(1, 'a', 2), { minLength: 6, maxLength: 6 }),
      async (turns, ids) => {
        const wire = heldWire();
        const mux = makeMux(wire);
        const heard = ids.map((): { notes: RpcNotification[]; answers: RpcResponse[] } => ({ notes: [], answers: [] }));
        for (const [at, id] of ids.entries()) {
          mux.request(callOf(id, id), {
            notify: (note) => void heard[at]?.notes.push(note),
            respond: (answer) => void heard[at]?.answers.push(answer),
          });
        }
        const requests = wire.sent.filter(isRequest);
        assert.equal(new Set(requests.map(({ id }) => id)).size, ids.length);
        for (const turn of turns) {
          const id = requests[turn]?.id ?? '';
          const params = { progressToken: id, progress: turn };
          wire.emit({ jsonrpc: '2.0', method: 'notifications/progress', params });
          wire.emit(resultOf(id, { turn }));
          wire.emit(resultOf(id, { turn: 'again' }));
        }
        for (const [at, { notes, answers }] of heard.entries()) {
          assert.deepEqual(answers, [resultOf(ids[at] ?? '', { turn: at })]);
          assert.deepEqual(notes[0]?.params, { progressToken: ids[at], progress: at });
        }
        assert.equal(mux.open, 0);
      },
    ),
  );
});

test('a request that was cancelled is answered no more; all others are, when the server ends', async () => {
  const wire = heldWire();
  const mux = makeMux(wire);
  const answers: RpcResponse[] = [];
  const to = { notify: () => {}, respond: (answer: RpcResponse) => void answers.push(answer) };
  const cancel = mux.request(callOf('left'), to);
  mux.request(callOf('stays'), to);
  cancel();
  cancel();
  assert.equal(wire.sent.filter(isNotification).length, 1);
  wire.end();
  await wire.ended;
  await Promise.resolve();
  assert.deepEqual(
    answers.map(({ id }) => id),
    ['stays'],
  );
});

test('no more than the burst passes at once, and then as fast as the rate', async () => {
  let now = 0;
  const sleep = async (ms: number) => {
    now += ms;
  };
  const pace = makePace({ now: () => now, sleep }, { burst: 10, perSecond: 5 }, new AbortController().signal);
  for (let at = 0; at < 10; at += 1) await pace.pass(1);
  assert.equal(now, 0);
  for (let at = 0; at < 10; at += 1) await pace.pass(1);
  assert.equal(now, 2_000);
});

test('the end of stderr is bounded and harmless to print', () => {
  const tail = makeTail(16);
  for (let at = 0; at < 100; at += 1) tail.push(Buffer.from(`line ${at}\n`));
  tail.push(Buffer.from('\u001b]0;title\u0007end'));
  assert.ok(tail.text().endsWith('end'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  assert.doesNotMatch(tail.text(), /[\u0007\u001b]/);
  assert.ok(Buffer.byteLength(tail.text()) <= 16);
});
