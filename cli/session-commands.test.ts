// vvm session as processes against a server that gives the answers of the contract.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Answers, problem, runAgainst } from './client/testing/answering-server.ts';
import { clientNames, settingsFor } from './commands/session-clients.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-sessions-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const vvm = (argv: string[], answers: Answers) => runAgainst(folder, argv, answers);

function session(state: string, status: string, reason: string, message = 'm') {
  const lastTransitionTime = '2030-01-01T00:00:00Z';
  return {
    name: 'agent',
    namespace: 'default',
    uid: 'u',
    createdAt: '2030-01-01T00:00:00Z',
    deleting: false,
    spec: { userId: 'alice', groupId: 'research' },
    status: {
      state,
      vmId: 'agent-1',
      connectionInfo: { url: 'http://h/sessions/u/mcp' },
      conditions: [{ type: 'Ready', status, reason, message, lastTransitionTime }],
    },
  };
}

const connection = {
  url: 'http://127.0.0.1:8082/sessions/u/mcp',
  token: 'head.body.tail',
  expiresAt: '2030-01-02T00:00:00.000Z',
  scopes: ['vm:read'],
};

test('create: what was typed becomes the request; it waits until the session is ready', async () => {
  const options = ['--memory', '1G', '--idle-timeout', '30m', '--scope', 'vm:read', '--scope', 'vm:exec'];
  const { code, stdout, asked } = await vvm(['session', 'create', 'agent', ...options], {
    'POST /v1/sessions': [[201, session('Pending', 'False', 'MakingMachine')]],
    'GET /v1/sessions/agent?namespace=default': [
      [200, session('Pending', 'False', 'Creating')],
      [200, session('Ready', 'True', 'Ready')],
    ],
  });
  assert.deepEqual([code, stdout], [0, 'agent\n']);
  const spec = { memory: 1024, idleTimeoutSeconds: 1800, scopes: ['vm:read', 'vm:exec'] };
  assert.deepEqual(asked[0]?.body, { name: 'agent', spec });
});

test('create: a session that cannot be is told with its reason; wrong options are usage errors', async () => {
  const failed = await vvm(['session', 'create'], {
    'POST /v1/sessions': [[201, session('Pending', 'False', 'MakingMachine')]],
    'GET /v1/sessions/agent?namespace=default': [[200, session('Failed', 'False', 'ImagePullFailed', 'no such image')]],
  });
  assert.deepEqual([failed.code, /not ready: no such image/.test(failed.stderr)], [1, true]);
  for (const argv of [
    ['--vm', 'demo', '--cpu', '2'],
    ['--scope', 'vm:root'],
    ['--ttl', 'soon'],
  ]) {
    assert.equal((await vvm(['session', 'create', ...argv], {})).code, 2, argv.join(' '));
  }
});

test('connect: settings of every client, or of one, or JSON; a token that is just being made is waited for', async () => {
  const answers = (): Parameters<typeof vvm>[1] => ({
    'GET /v1/sessions/agent/token': [
      [503, problem('unavailable', 'not yet', 'NoToken')],
      [200, connection],
    ],
  });
  const all = await vvm(['session', 'connect', 'agent'], answers());
  assert.equal(all.code, 0, all.stderr);
  for (const word of ['Claude Code', 'claude_desktop_config.json', '.cursor', '.vscode', 'config.toml', 'Inspector']) {
    assert.match(all.stdout, new RegExp(word));
  }
  const one = await vvm(['session', 'connect', 'agent', '--client', 'cursor'], answers());
  assert.doesNotMatch(one.stdout, /Codex/);
  const json = await vvm(['session', 'connect', 'agent', '--json'], answers());
  const parsed = JSON.parse(json.stdout);
  assert.deepEqual(
    [parsed.url, parsed.token, Object.keys(parsed.clients)],
    [connection.url, connection.token, [...clientNames]],
  );
  assert.equal((await vvm(['session', 'connect', 'agent', '--client', 'emacs'], {})).code, 2);
  assert.equal((await vvm(['session', 'connect', 'none'], {})).code, 1);
});

test('JSON settings are JSON, and hold URL and token', () => {
  for (const client of ['claude-desktop', 'cursor', 'vscode'] as const) {
    const text = JSON.stringify(JSON.parse(settingsFor(client, 'agent', connection).text));
    assert.ok(text.includes(connection.url) && text.includes(connection.token) && text.includes('tvm-agent'), client);
  }
  const remote = settingsFor('claude-desktop', 'agent', { ...connection, url: 'http://tvm.example/sessions/u/mcp' });
  assert.match(remote.text, /--allow-http/);
});

test('list, token, rotate, end', async () => {
  const list = await vvm(['session', 'list'], {
    'GET /v1/sessions': [[200, { items: [session('Ready', 'True', 'Ready')] }]],
  });
  assert.match(list.stdout, /^NAME +STATE +USER +GROUP +MACHINE +REASON +AGE\nagent +Ready +alice +research +agent-1/);
  const token = await vvm(['session', 'token', 'agent', '--headers'], {
    'GET /v1/sessions/agent/token': [[200, connection]],
  });
  assert.deepEqual(JSON.parse(token.stdout), { Authorization: `Bearer ${connection.token}` });
  const rotate = await vvm(['session', 'rotate', 'agent'], {
    'POST /v1/sessions/agent/rotate': [[200, session('Ready', 'True', 'Ready')]],
    'GET /v1/sessions/agent/token': [[200, connection]],
  });
  assert.deepEqual([rotate.code, rotate.stdout], [0, '']);
  const end = await vvm(['session', 'end', 'agent'], {
    'DELETE /v1/sessions/agent': [[202, session('Ready', 'True', 'Ready')]],
    'GET /v1/sessions/agent': [
      [200, session('Ready', 'True', 'Ready')],
      [404, problem('not_found', 'no')],
    ],
  });
  assert.equal(end.code, 0, end.stderr);
});
