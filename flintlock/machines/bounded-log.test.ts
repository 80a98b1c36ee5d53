import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import fc from 'fast-check';
import { BoundedLog } from './bounded-log.ts';

let folder: string;
describe('bounded log', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tvm-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function readAll(log: BoundedLog, from = 0): Promise<string> {
    let text = '';
    for (let offset = from; ; ) {
      const { data, next } = await log.read(offset, 7);
      if (data.length === 0) return text;
      text += data.toString('latin1');
      offset = next;
    }
  }

  test('holds the newest part of whatever is appended, within its bound, also when opened again', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(30), async (appended, reopenAt) => {
        rmSync(folder, { recursive: true });
        folder = mkdtempSync(join(tmpdir(), 'tvm-log-'));
        let log = new BoundedLog(join(folder, 'x'), systemClock, 40);
        for (const [index, piece] of appended.entries()) {
          if (index === reopenAt) {
            log[Symbol.dispose]();
            log = new BoundedLog(join(folder, 'x'), systemClock, 40);
          }
          log.append(piece);
        }
        const all = Buffer.concat(appended.map((piece) => piece.subarray(Math.max(0, piece.length - 40))));
        const held = await readAll(log);
        assert.ok(all.toString('latin1').endsWith(held));
        assert.ok(held.length >= Math.min(all.length, 1));
        const files = readdirSync(folder).filter((name) => !name.includes('marks'));
        const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
        assert.ok(bytes <= 80);
        log[Symbol.dispose]();
      }),
      { numRuns: 60 },
    );
  });

  test('a reader waits for more, and for the end', async () => {
    using log = new BoundedLog(join(folder, 'x'), systemClock);
    const { signal } = new AbortController();
    const waiting = log.changed(0, signal);
    log.append(Buffer.from('hello'));
    await waiting;
    assert.equal(await readAll(log), 'hello');
    assert.equal(log.tail(2), 'lo');
    const ending = log.changed(5, signal);
    log[Symbol.dispose]();
    await ending;
    log.append(Buffer.from('ignored'));
    assert.equal(log.end, 5);
  });
});
