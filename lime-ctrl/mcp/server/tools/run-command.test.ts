import assert from 'node:assert/strict';
import test from 'node:test';
import { eras, startEndpoint } from '../../../testing/mcp-endpoint.ts';

interface Execution {
  exec_id: string;
  exit_code: number;
  stdout: string;
  stderr: string;
  truncated: boolean;
  timed_out: boolean;
}

for (const era of eras) {
  test(`${era}: run_command`, { timeout: 30_000 }, async (t) => {
    await using endpoint = await startEndpoint();
    const client = await endpoint.connect(era);
    const run = async (args: Record<string, unknown>) => {
      const result = await client.callTool({ name: 'run_command', arguments: args });
      return { ...result, execution: result.structuredContent as unknown as Execution };
    };

    await t.test('output of both kinds, and an exit code that is a result', async () => {
      const { isError, execution, content } = await run({ command: 'echo out; echo err >&2; exit 3' });
      assert.equal(isError ?? false, false);
      assert.deepEqual([execution.stdout, execution.stderr, execution.exit_code], ['out\n', 'err\n', 3]);
      assert.match((content[0] as { text: string }).text, /Exit code 3/);
    });

    await t.test('stdin, environment and folder', async () => {
      const { execution } = await run({ command: 'cat; echo $WORD; pwd', stdin: 'in ', env: { WORD: 'w' }, cwd: '/' });
      assert.equal(execution.stdout, `in w\n${endpoint.local.root}\n`);
    });

    await t.test('its time is up', async () => {
      const { execution } = await run({ command: 'echo first; sleep 60', timeout_seconds: 2 });
      assert.equal(execution.timed_out, true);
      assert.equal(execution.stdout, 'first\n');
    });

    await t.test('too much output: its beginning, its end and a link', async () => {
      const { execution, content } = await run({
        command: 'echo begin; head -c 300000 /dev/zero | tr "\\0" x; echo end',
      });
      assert.equal(execution.truncated, true);
      assert.ok(execution.stdout.startsWith('begin\n') && execution.stdout.endsWith('end\n'));
      assert.ok(execution.stdout.length < 60_000);
      const link = content.find(({ type }) => type === 'resource_link') as { uri: string };
      assert.equal(link.uri, `exec://${execution.exec_id}/stdout`);
    });

    await t.test('wrong arguments are a result that says what is wrong', async () => {
      const { isError, content } = await run({ command: '', timeout_seconds: -1 });
      assert.equal(isError, true);
      assert.match((content[0] as { text: string }).text, /timeout_seconds/);
    });

    await t.test('progress while it runs', async () => {
      const heard: string[] = [];
      await client.callTool(
        { name: 'run_command', arguments: { command: 'echo one; sleep 0.6; echo two; sleep 0.6' } },
        { onprogress: ({ message }) => heard.push(message ?? '') },
      );
      assert.deepEqual(heard, ['one\n', 'two\n']);
    });

    await t.test('cancelled: the process and its children are gone', async () => {
      const stop = new AbortController();
      const call = client.callTool(
        { name: 'run_command', arguments: { command: 'sleep 100 & sleep 100' } },
        { signal: stop.signal },
      );
      const running = () => endpoint.local.processes.list().filter(({ exited }) => !exited);
      while (running().length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      stop.abort();
      await assert.rejects(call);
      while (running().length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    });
  });
}
