// An MCP server over stdio for tests of the bridge. Arguments: the era that it speaks (legacy, modern). It asks, tells its
// progress, logs, changes, waits and crashes when it is told to.
import { setTimeout as sleep } from 'node:timers/promises';
import { inputRequired, Server, type ServerContext } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';

type Fields = Record<string, unknown>;
type Tool = (args: Fields, context: ServerContext, server: Server) => Promise<Fields> | Fields;

const text = (value: string): Fields => ({ content: [{ type: 'text', text: value }] });
const uri = 'test://watched';
let calls = 0;
let waiting = 0;
let cancelled = 0;

const form = (message: string) => ({
  message,
  requestedSchema: { type: 'object' as const, properties: { name: { type: 'string' as const } } },
});

async function ask(key: string, context: ServerContext): Promise<Fields | undefined> {
  if (!context.mcpReq.envelope) return { ...(await context.mcpReq.elicitInput(form(key))) };
  return context.mcpReq.inputResponses?.[key] as Fields | undefined;
}

const tools: Record<string, Tool> = {
  echo: (args) => text(JSON.stringify(args)),
  count: () => text(String(++calls)),
  pid: () => text(String(process.pid)),
  async ask(_args, context) {
    const keys = ['first', 'second'];
    const answers = await Promise.all(keys.map((key) => ask(key, context)));
    if (answers.every(Boolean)) return text(answers.map((each) => JSON.stringify(each?.content)).join(' '));
    const inputRequests = Object.fromEntries(keys.map((key) => [key, inputRequired.elicit(form(key))]));
    return inputRequired({ inputRequests }) as Fields;
  },
  async progress(_args, context) {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [1, 2, 3]) {
      const params = { progressToken: progressToken ?? 0, progress, total: 3 };
      await context.mcpReq.notify({ method: 'notifications/progress', params });
    }
    return text('done');
  },
  async log(_args, context) {
    await context.mcpReq.log('info', 'a message');
    return text('logged');
  },
  async change(_args, _context, server) {
    await server.sendToolListChanged();
    await server.sendResourceUpdated({ uri });
    return text('changed');
  },
  async wait(_args, context) {
    waiting += 1;
    await sleep(60_000, undefined, { signal: context.mcpReq.signal }).catch(() => {
      cancelled += 1;
    });
    return text('waited');
  },
  waiting: () => text(String(waiting)),
  cancelled: () => text(String(cancelled)),
  crash() {
    process.stderr.write('fatal: \u001b[31mthe disk is full\n');
    process.exit(3);
  },
};

function makeServer(): Server {
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} };
  const server = new Server({ name: 'test', version: '1' }, { capabilities });
  const list = Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' as const } }));
  server.setRequestHandler('tools/list', () => ({ tools: list }));
  server.setRequestHandler('tools/call', ({ params }, context) => {
    const tool = tools[params.name];
    if (!tool) throw new Error(`no tool ${params.name}`);
    return tool(params.arguments ?? {}, context, server) as never;
  });
  server.setRequestHandler('resources/read', () => ({ contents: [{ uri, text: 'x' }] }));
  server.setRequestHandler('resources/subscribe', () => ({}));
  server.setRequestHandler('resources/unsubscribe', () => ({}));
  return server;
}

if (process.argv.includes('modern')) serveStdio(makeServer, { legacy: 'reject' });
else await makeServer().connect(new StdioServerTransport());
