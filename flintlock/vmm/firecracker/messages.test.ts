import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { pipes } from './files.ts';
import { VmmMessages } from './messages.ts';
import { LinePipe, makePipes } from './pipes.ts';

async function withPipes(body: (folder: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tvm-messages-'));
  try {
    using _console = makePipes(folder);
    body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const line = (level: string, text: string) => `2026-01-01T00:00:00.000000000 [tvm-a:main:${level}] ${text}\n`;

test('what a VMM says last and how it ends is known, whatever else it writes', () =>
  withPipes((folder) => {
    using messages = new VmmMessages({ id: 'a', folder }, makeLogger('test', 'silent'));
    const log = join(folder, pipes.log);
    assert.equal(messages.end(), undefined);
    for (let round = 0; round < 30; round += 1) appendFileSync(log, line('ERROR', `trouble ${round}`));
    appendFileSync(log, line('ERROR', 'Received Error. Status code: 400 Bad Request. Message: it is in the answer'));
    appendFileSync(log, `no line of a log\n\n${line('INFO', 'exit_code=7 says a guest')}`);
    appendFileSync(
      join(folder, pipes.metrics),
      '{"seccomp":{"num_faults":"many"}}\n[]\n{"seccomp":{"num_faults":1}}\n{',
    );
    assert.equal(messages.end(), undefined);
    assert.equal(messages.said().split('\n').length, 10);
    assert.match(messages.said(), /trouble 29$/);
    appendFileSync(log, line('ERROR', 'Firecracker exiting with error. exit_code=148'));
    assert.deepEqual(messages.end(), { exitCode: 148, signal: null });
  }));

test('a line without an end is taken in part, and does not grow', () =>
  withPipes((folder) => {
    const lines: string[] = [];
    using pipe = new LinePipe(join(folder, pipes.log), (each) => lines.push(each));
    for (let round = 0; round < 8; round += 1) {
      appendFileSync(join(folder, pipes.log), 'x'.repeat(60 * 1024));
      pipe.drain();
    }
    appendFileSync(join(folder, pipes.log), '\nnext\n');
    pipe.drain();
    assert.deepEqual([lines.length, lines[1]], [2, 'next']);
    assert.equal(lines[0]?.length, 128 * 1024);
  }));
