// A tool call over MCP in a machine that executes nothing, in both eras, beside the same command by flintlock's call alone: the
// difference is what the gateway takes.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlintlockClient } from '@tvm/lime-ctrl/flintlock/client.ts';
import type { Scenario } from '../measure/sample.ts';
import type { Service } from './service.ts';

const command = 'true';
/** Of each kind. V8 optimises code only after hundreds of calls, and a service that has run for a day has made them. */
const warmUpCalls = 1_000;
/** Two calls in so long keep below what a session may ask by the second. */
const warmUpPaceMs = 22;
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

interface McpSession {
  call(era: 'legacy' | 'modern'): Promise<void>;
  exec(): Promise<void>;
}

export function makeMcpScenarios(service: () => Promise<Service>): Scenario[] {
  let opening: Promise<McpSession> | undefined;
  const session = () => {
    opening ??= service().then(openSession);
    return opening;
  };
  const scenario = (id: string, name: string, what: string, run: (opened: McpSession) => Promise<void>): Scenario => ({
    ...{ id, name, what, kind: 'stage', perRound: 12 },
    setup: async () => void (await session()),
    // It wakes a machine that rested meanwhile.
    prepare: async () => (await session()).call('modern'),
    run: async () => run(await session()),
  });
  return [
    scenario('mcp-legacy', 'MCP run_command, no VM, 2025-11-25', 'a tool call on a connection that is open', (opened) =>
      opened.call('legacy'),
    ),
    scenario('mcp-modern', 'MCP run_command, no VM, 2026-07-28', 'a tool call, alone', (opened) =>
      opened.call('modern'),
    ),
    scenario('mcp-rpc', 'the same command by RPC', "flintlock's Exec alone in the same machine", (opened) =>
      opened.exec(),
    ),
  ];
}

async function openSession({ vvm, flintlock, rest }: Service): Promise<McpSession> {
  await vvm('session', 'create', 'bench');
  const { url, token } = JSON.parse(await vvm('session', 'connect', 'bench', '--json')) as {
    url: string;
    token: string;
  };
  const { status } = await rest.json<{ status: { vmId: string } }>('GET', '/v1/sessions/bench');
  const { uid } = await rest.json<{ uid: string }>('GET', `/v1/microvms/${status.vmId}`);
  const post = makePost(url, token);
  const headers = { 'mcp-session-id': await initialize(post), 'mcp-protocol-version': '2025-11-25' };
  let calls = 0;
  const session: McpSession = {
    async call(era) {
      calls += 1;
      const { text } =
        era === 'legacy' ? await post(headers, toolCall(calls)) : await post(modern, toolCall(calls, envelope));
      if (!text.includes('"exit_code":0')) throw new Error(`run_command: ${text.slice(0, 200)}`);
    },
    exec: () => exec(flintlock, uid),
  };
  for (let time = 0; time < warmUpCalls; time += 1) {
    await session.call('legacy');
    await session.call('modern');
    await session.exec();
    await sleep(warmUpPaceMs);
  }
  return session;
}

const modern = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'run_command' };
const clientInfo = { name: 'bench', version: '1' };
const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': clientInfo,
  'io.modelcontextprotocol/clientCapabilities': {},
};

function toolCall(id: number, _meta?: object): object {
  const params = { name: 'run_command', arguments: { command }, ...(_meta && { _meta }) };
  return { jsonrpc: '2.0', id, method: 'tools/call', params };
}

async function initialize(post: Post): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const { sessionId } = await post({}, { jsonrpc: '2.0', id: 0, method: 'initialize', params });
  const headers = { 'mcp-session-id': sessionId, 'mcp-protocol-version': '2025-11-25' };
  await post(headers, { jsonrpc: '2.0', method: 'notifications/initialized' });
  return sessionId;
}

type Post = (headers: Record<string, string>, body: object) => Promise<{ text: string; sessionId: string }>;

/** As light as it can be, so that what is timed is the server. */
function makePost(url: string, token: string): Post {
  const agent = new Agent({ keepAlive: true });
  agent.on('free', (socket) => socket.unref());
  return (extra, body) =>
    new Promise((resolve, reject) => {
      const headers = { ...json, authorization: `Bearer ${token}`, ...extra };
      const sent = request(url, { method: 'POST', headers, agent }, async (response) => {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        const { statusCode = 0 } = response;
        if (statusCode < 300) resolve({ text, sessionId: String(response.headers['mcp-session-id'] ?? '') });
        else reject(new Error(`MCP: HTTP ${statusCode} ${text.slice(0, 200)}`));
      });
      sent.once('error', reject).end(JSON.stringify(body));
    });
}

async function exec(flintlock: FlintlockClient, uid: string): Promise<void> {
  const process = { argv: ['/bin/sh', '-c', command], env: {}, timeoutMs: 60_000 };
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid, process } } };
  })();
  for await (const { output } of flintlock.exec(requests)) {
    if (output?.body.case === 'exited' && output.body.value.code !== 0) throw new Error('the command failed');
  }
}
