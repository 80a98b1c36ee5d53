import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { startEndpoint } from '../../../../testing/mcp-endpoint.ts';
import { makeCellOutput } from './cell-output.ts';

// biome-ignore lint/suspicious/noExplicitAny: results of many shapes, looked into by the tests alone.
type Loose = any;

test('run_code', { timeout: 100_000 }, async (t) => {
  await using endpoint = await startEndpoint();
  const client = await endpoint.connect('modern');
  const run = async (args: Record<string, unknown>, options = {}) => {
    const { structuredContent, content, isError } = await client.callTool(
      { name: 'run_code', arguments: args },
      options,
    );
    return { out: structuredContent as Loose, content: content as Loose[], isError: isError ?? false };
  };

  await t.test('python keeps state, tells values and errors', async () => {
    await run({ code: 'import os\nx = 20\nprint("hello")' });
    const { out } = await run({ code: 'y = x + 1\ny * 2' });
    assert.deepEqual([out.results, out.execution_count, out.stdout], [[{ text: '42' }], 2, '']);
    const failed = await run({ code: 'def f():\n    return 1 / 0\nprint("before")\nf()' });
    assert.equal(failed.isError, false);
    assert.equal(failed.out.error.name, 'ZeroDivisionError');
    assert.equal(failed.out.stdout, 'before\n');
    assert.match(failed.out.error.traceback, /return 1 \/ 0/);
    assert.doesNotMatch(failed.out.error.traceback, /python\.py/);
    assert.equal((await run({ code: 'raise SystemExit(3)' })).out.error.name, 'SystemExit');
    assert.equal((await run({ code: 'x' })).out.results[0].text, '20');
    assert.equal((await run({ code: 'x = (' })).out.error.name, 'SyntaxError');
  });

  await t.test('python: children, rich results, await, stdin', async () => {
    const child = await run({ code: 'import os\nos.system("echo from a child")\nNone' });
    assert.equal(child.out.stdout, 'from a child\n');
    const code = [
      'class Table:',
      '    def _repr_html_(self): return "<table></table>"',
      '    def _repr_png_(self): return b"png"',
      'display(Table())',
      'import asyncio',
      'await asyncio.sleep(0, "awaited")',
    ].join('\n');
    const rich = await run({ code });
    assert.deepEqual([rich.out.results[0].html, rich.out.results[0].image], ['<table></table>', 'image/png']);
    assert.equal(rich.out.results[1].text, "'awaited'");
    assert.deepEqual(rich.content.at(-1), {
      type: 'image',
      data: Buffer.from('png').toString('base64'),
      mimeType: 'image/png',
    });
    assert.equal((await run({ code: 'input()' })).out.error.name, 'EOFError');
  });

  await t.test('contexts do not know each other, and restart', async () => {
    await run({ code: 'x = "other"', context: 'other' });
    assert.equal((await run({ code: 'x' })).out.results[0].text, '20');
    const restarted = await run({ code: '"x" in globals()', context: 'other', restart: true });
    assert.deepEqual([restarted.out.results[0].text, restarted.out.execution_count], ['False', 1]);
  });

  await t.test('node keeps state, awaits, and declares anew', async () => {
    const node = (code: string, more = {}) => run({ code, language: 'node', ...more });
    await node('const a = 40; function plus(n) { return a + n; }');
    const { out } = await node('console.log("out"); console.error("err"); plus(await Promise.resolve(2))');
    assert.deepEqual([out.results[0].text, out.stdout, out.stderr], ['42', 'out\n', 'err\n']);
    assert.equal((await node('const a = 1n; ({ a, b: [1, 2] })')).out.results[0].text, '{ a: 1n, b: [ 1, 2 ] }');
    const failed = await node('null.x');
    assert.equal(failed.out.error.name, 'TypeError');
    assert.equal((await node('require("node:path").sep')).out.results[0].text, '/');
    const endless = await node('while (true) {}', { timeout_seconds: 0.3 });
    assert.equal(endless.out.context_lost, false);
    assert.equal((await node('a')).out.results[0].text, '1n');
  });

  await t.test('bash keeps state and tells exit codes', async () => {
    const bash = (code: string) => run({ code, language: 'bash' });
    await bash('x=1; cd /; f() { echo "f $x"; }');
    const { out } = await bash('f; pwd; echo err >&2; false');
    assert.deepEqual([out.stdout, out.stderr, out.exit_code], ['f 1\n/\n', 'err\n', 1]);
    const ended = await bash('echo last; exit 3');
    assert.deepEqual([ended.out.context_lost, ended.out.stdout], [true, 'last\n']);
    assert.equal((await bash('echo "<$x>"')).out.stdout, '<>\n');
  });

  await t.test('time that is up interrupts the code and keeps the state', async () => {
    const { out } = await run({ code: 'print("began")\nimport time\ntime.sleep(60)', timeout_seconds: 0.5 });
    assert.deepEqual(
      [out.timed_out, out.context_lost, out.error.name, out.stdout],
      [true, false, 'KeyboardInterrupt', 'began\n'],
    );
    assert.equal((await run({ code: 'x' })).out.results[0].text, '20');
  });

  await t.test('cancelled: interrupted, and the context lives on', async () => {
    const stop = new AbortController();
    const heard = Promise.withResolvers<void>();
    const call = run(
      { code: 'print("began")\nimport time\ntime.sleep(60)' },
      { signal: stop.signal, onprogress: () => heard.resolve() },
    );
    await heard.promise;
    stop.abort();
    await assert.rejects(call);
    assert.equal((await run({ code: 'x' })).out.results[0].text, '20');
  });

  await t.test('a driver that lies of its results', async () => {
    const code = 'import json\njson.dump = lambda value, file: file.write(\'{"results": 7}\')';
    const { isError, content } = await run({ code, context: 'liar' });
    assert.equal(isError, true);
    assert.match(content[0].text, /unsound/);
  });
});

test('output of a cell is found however it is cut into pieces', () => {
  const text = fc.string({ unit: fc.constantFrom('\0', 'a', ':', '\n', 'n') });
  fc.assert(
    fc.property(text, text, text, fc.array(fc.nat({ max: 7 })), (before, within, after, cuts) => {
      const all = Buffer.from(`${before}\0cell:begin\n${within}\0cell:end\n${after}`);
      const output = makeCellOutput('cell');
      const parts: Buffer[] = [];
      for (let at = 0, cut = 0; at < all.length; cut += 1) {
        const length = 1 + (cuts[cut % cuts.length] ?? 3);
        parts.push(output.push(all.subarray(at, at + length)));
        at += length;
      }
      assert.equal(Buffer.concat(parts).toString(), within);
      assert.equal(output.ended, true);
    }),
  );
});
