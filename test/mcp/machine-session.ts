// A session of a real service, made by the command as a user does, with the fixture as an MCP server in its machine.
// Invariant: nothing is left after dispose.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';
import { type Service, startService } from '../e2e/service.ts';
import { bundleFixture } from './bundle.ts';
import type { Target } from './conformance.ts';
import { connect, patienceMs } from './connect.ts';

export interface MachineSession {
  /** The session itself, and the fixture in its machine. */
  session: Target;
  fixture: Target;
  /** The MicroVM. */
  machine: string;
}

export interface ServiceWithSession extends MachineSession, AsyncDisposable {
  service: Service;
}

export async function startServiceWithSession(): Promise<ServiceWithSession> {
  const service = await startService();
  try {
    const session = await makeMachineSession(service, 'agent', ['--image', 'tvm/node', '--memory', '512']);
    await addFixture(service, session);
    return { ...session, service, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** A session that is ready. The host of its URLs is "localhost", as the conformance suite wants it. */
export async function makeMachineSession(service: Service, name: string, options: string[]): Promise<MachineSession> {
  await service.ok(['session', 'create', name, ...options, '--timeout', '300'], { timeoutMs: 320_000 });
  const { url, token } = JSON.parse(await service.ok(['session', 'connect', name, '--json'])) as Required<Target>;
  const { items } = JSON.parse(await service.ok(['session', 'list', '-o', 'json'])) as {
    items: { name: string; status: { vmId: string } }[];
  };
  const machine = items.find((item) => item.name === name)?.status.vmId ?? '';
  const local = url.replace('127.0.0.1', 'localhost');
  return {
    session: { url: local, token },
    fixture: { url: local.replace(/\/mcp$/, '/servers/fixture/mcp'), token },
    machine,
  };
}

/** Puts the fixture into the machine and waits until it has answered once. */
async function addFixture(service: Service, { session, fixture, machine }: MachineSession): Promise<void> {
  await using scratch = await makeScratchFolder('fixture');
  const file = join(scratch.path, 'fixture.mjs');
  writeFileSync(file, await bundleFixture());
  await service.ok(['cp', file, `${machine}:/opt/fixture.mjs`]);
  const client = await connect(session, 'modern');
  try {
    const server = { name: 'fixture', command: 'node', args: ['/opt/fixture.mjs'] };
    const { isError, content } = await client.callTool(
      { name: 'mcp_server_add', arguments: server },
      { timeout: patienceMs },
    );
    if (isError) throw new Error(`mcp_server_add: ${JSON.stringify(content)}`);
  } finally {
    await client.close();
  }
  const first = await connect(fixture, 'modern');
  await first.close();
}
