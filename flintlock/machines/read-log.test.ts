import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { BoundedLog } from './bounded-log.ts';
import type { LogSource } from './log-marks.ts';
import { type LogQuery, readLog } from './read-log.ts';

let folder: string;
let nowMs: number;
let log: BoundedLog;
const clock = { now: () => nowMs };
const maxFileBytes = 64 * 1024;
const all: LogQuery = {
  ...{ follow: false, tailBytes: 0, tailLines: 0, sinceMs: 0, timestamps: false },
  source: undefined,
};

describe('reading logs', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tvm-log-'));
    nowMs = Date.UTC(2030, 0, 1);
    log = new BoundedLog(join(folder, 'x'), clock, maxFileBytes);
  });
  afterEach(() => {
    log[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  function write(text: string, source: LogSource = 'console', afterMs = 1000): void {
    log.append(Buffer.from(text), source);
    nowMs += afterMs;
  }

  async function read(query: Partial<LogQuery>, signal = new AbortController().signal): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of readLog(log, { ...all, ...query }, () => true, signal)) parts.push(part);
    return Buffer.concat(parts).toString();
  }

  test('the last lines, also of one source, with or without an end', async () => {
    write('one\ntwo\n');
    write('out 1\n', 'stdout');
    write('three\nfo');
    write('ur', 'console', 0);
    assert.equal(await read({ tailLines: 2 }), 'three\nfour');
    assert.equal(await read({ tailLines: 3 }), 'out 1\nthree\nfour');
    assert.equal(await read({ tailLines: 3, source: 'console' }), 'two\nthree\nfour');
    assert.equal(await read({ tailLines: 99 }), 'one\ntwo\nout 1\nthree\nfour');
    assert.equal(await read({ source: 'stdout' }), 'out 1\n');
    assert.equal(await read({ tailBytes: 4 }), 'four');
    assert.equal(await read({ tailLines: 1, source: 'stderr' }), '');
    write('\n');
    assert.equal(await read({ tailLines: 1 }), 'four\n');
  });

  test('each line has its time, also after flintlock was opened again', async () => {
    write('one\ntw');
    write('o\n');
    log[Symbol.dispose]();
    log = new BoundedLog(join(folder, 'x'), clock, maxFileBytes);
    write('three\n', 'stderr');
    const first = '2030-01-01T00:00:00.000Z one\n2030-01-01T00:00:00.000Z two\n';
    assert.equal(await read({ timestamps: true }), `${first}2030-01-01T00:00:02.000Z three\n`);
    assert.equal(await read({ sinceMs: Date.UTC(2030, 0, 1, 0, 0, 2) }), 'three\n');
    assert.equal(await read({ sinceMs: nowMs }), '');
  });

  test('what follows is told with its time, until the reader leaves', async () => {
    write('before\n');
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const part of readLog(
      log,
      { ...all, follow: true, tailLines: 1, timestamps: true },
      () => false,
      stop.signal,
    )) {
      seen.push(part.toString());
      if (seen.length === 1) write('after\n', 'stdout');
      else stop.abort();
    }
    assert.deepEqual(seen, ['2030-01-01T00:00:00.000Z before\n', '2030-01-01T00:00:01.000Z after\n']);
  });

  test('a flood is bounded, with all that is kept beside it: of bytes, of short lines, of changes of source', async () => {
    const floods: [number, (round: number) => void][] = [
      [200, () => write('x'.repeat(4096), 'console', 0)],
      [20_000, () => write('y\n', 'console', 200)],
      [20_000, (round) => write('z', round % 2 === 0 ? 'stdout' : 'stderr', 0)],
    ];
    for (const [rounds, flood] of floods) {
      for (let round = 0; round < rounds; round += 1) flood(round);
      const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
      assert.ok(Math.max(...sizes) <= 128 * 1024, String(sizes));
      assert.equal(sizes.length, 4);
    }
    assert.match(await read({ tailLines: 1, source: 'stdout' }), /^z+$/);
  });
});
