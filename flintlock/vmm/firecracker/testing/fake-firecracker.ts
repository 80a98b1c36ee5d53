// A program that behaves at its API, its sockets and its end as Firecracker does, with a fake guest in it. For fast tests of
// the driver: order of calls, bodies of errors, sockets that are left behind, exit when a snapshot cannot be loaded.
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createSocketServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { bootMemory, FakeVm } from '../../fake/host.ts';
import { bodies, type Operation, operationOf } from './api-bodies.ts';

const agentPort = 1024;
const firstHostPort = 1_073_741_824;
const configures: ReadonlySet<Operation> = new Set<Operation>([
  ...(['PUT /machine-config', 'PUT /boot-source', 'PUT /drives', 'PUT /vsock', 'PUT /entropy'] as const),
  'PUT /network-interfaces',
  'PUT /balloon',
]);

const { values } = parseArgs({
  options: {
    ...{ id: { type: 'string' }, 'api-sock': { type: 'string' }, version: { type: 'boolean' } },
    ...{
      'log-path': { type: 'string' },
      level: { type: 'string' },
      'show-level': { type: 'boolean' },
      'metrics-path': { type: 'string' },
    },
    'start-time-us': { type: 'string' },
  },
});
if (values.version) {
  console.log('Firecracker v1.16.1');
  process.exit(0);
}

class Refusal extends Error {}

const configured = new Map<Operation, unknown>();
/** Paths by id. */
const drives = new Map<string, string>();
let vm: FakeVm | undefined;
let paused = false;
/** The guest has a message that its vsock was reset, which it sees when it goes on. */
let resetIsDue = false;
/** As in 1.16: what is resumed without that message is given nothing more by vsock. */
let deaf = false;
/** From the host, each with its end in the guest. */
const channels = new Map<Socket, Duplex>();

function perform(operation: Operation, body: unknown): void {
  if (configures.has(operation)) configure(operation, body);
  if (operation === 'PATCH /drives') limit(body as z.infer<(typeof bodies)['PATCH /drives']>);
  if (operation === 'PUT /actions') start(body as { action_type: string });
  if (operation === 'PATCH /vm') setPaused((body as { state: string }).state === 'Paused');
  if (operation === 'PUT /snapshot/create') createSnapshot(body as z.infer<(typeof bodies)['PUT /snapshot/create']>);
  if (operation === 'PUT /snapshot/load') loadSnapshot(body as z.infer<(typeof bodies)['PUT /snapshot/load']>);
}

function configure(operation: Operation, body: unknown): void {
  if (vm) throw new Refusal('The requested operation is not supported after starting the microVM.');
  const opened = z
    .object({ kernel_image_path: z.string() })
    .or(z.object({ path_on_host: z.string() }))
    .safeParse(body);
  const path = opened.success && Object.values(opened.data)[0];
  if (path && !existsSync(path)) throw new Refusal(`No such file or directory (os error 2): ${path}`);
  configured.set(operation, body);
  if (operation === 'PUT /drives') {
    const { drive_id, path_on_host } = body as z.infer<(typeof bodies)['PUT /drives']>;
    drives.set(drive_id, path_on_host);
  }
  if (operation === 'PUT /vsock') serveVsock((body as { uds_path: string }).uds_path);
}

/** Its file is opened anew, or it is limited. */
function limit({ drive_id, path_on_host, rate_limiter }: z.infer<(typeof bodies)['PATCH /drives']>): void {
  started();
  if (!drives.has(drive_id)) throw new Refusal(`Unable to patch the block device: unknown drive ${drive_id}`);
  if (path_on_host) {
    if (!existsSync(path_on_host)) throw new Refusal(`No such file or directory (os error 2): ${path_on_host}`);
    drives.set(drive_id, path_on_host);
  }
  process.stdout.write(`fake guest: ${paused ? 'paused' : 'running'} with ${JSON.stringify(rate_limiter)}\n`);
}

function start({ action_type }: { action_type: string }): void {
  if (action_type === 'FlushMetrics') flushMetrics();
  if (action_type !== 'InstanceStart') return;
  if (vm) throw new Refusal('The requested operation is not supported after starting the microVM.');
  for (const needed of ['PUT /boot-source', 'PUT /drives', 'PUT /vsock'] as const) {
    if (!configured.has(needed)) throw new Refusal(`Cannot start microvm without ${needed}`);
  }
  run(bootMemory());
}

/** What came since the last time, which is always the same here. */
function flushMetrics(): void {
  const block = { read_bytes: 1024, write_bytes: 512, read_count: 2, write_count: 1 };
  if (!values['metrics-path']) return;
  const pipe = openSync(values['metrics-path'], constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(pipe, `${JSON.stringify({ block })}\n`);
  closeSync(pipe);
}

function setPaused(wanted: boolean): void {
  const running = started();
  paused = wanted;
  if (wanted) running.pause();
  else resume(running);
}

function resume(running: FakeVm): void {
  running.resume();
  if (resetIsDue) for (const socket of channels.keys()) socket.destroy();
  else for (const [socket, guest] of channels) socket.unpipe(guest);
  deaf = !resetIsDue;
  resetIsDue = false;
}

function createSnapshot({
  snapshot_type: kind,
  snapshot_path,
  mem_file_path,
}: z.infer<(typeof bodies)['PUT /snapshot/create']>): void {
  const { memory } = started();
  if (!paused) throw new Refusal('Cannot create snapshot: the microVM is running');
  resetIsDue = true;
  const { uds_path } = configured.get('PUT /vsock') as { uds_path: string };
  writeFileSync(snapshot_path, JSON.stringify({ uds_path, kind, drives: [...drives] }));
  writeFileSync(mem_file_path, JSON.stringify({ bootId: memory.bootId }));
}

function loadSnapshot({ snapshot_path, mem_backend, resume_vm }: z.infer<(typeof bodies)['PUT /snapshot/load']>): void {
  if (vm || configured.size > 0) throw new Refusal('Loading a microVM snapshot is not allowed after configuring it.');
  try {
    const { uds_path, drives: saved } = JSON.parse(readFileSync(snapshot_path, 'utf8'));
    for (const [id, path] of saved) {
      if (!existsSync(path)) throw new Error(`No such file or directory (os error 2): ${path}`);
      drives.set(id, path);
    }
    const bootId = bootIdFrom(mem_backend);
    serveVsock(uds_path);
    configured.set('PUT /vsock', { uds_path });
    run({ ...bootMemory(), bootId });
    resetIsDue = true;
    setPaused(!resume_vm);
  } catch (error) {
    setTimeout(() => process.exit(1), 10);
    throw new Refusal(`Load snapshot error: ${error}`);
  }
}

/** What a pager would give nobody reads here. */
function bootIdFrom({ backend_type, backend_path }: { backend_type: 'File' | 'Uffd'; backend_path: string }): string {
  if (backend_type === 'File') return JSON.parse(readFileSync(backend_path, 'utf8')).bootId;
  if (!existsSync(backend_path)) throw new Error(`Failed to connect to UDS: ${backend_path}`);
  connect(backend_path).on('error', () => process.exit(1));
  return 'paged';
}

function started(): FakeVm {
  if (vm) return vm;
  throw new Refusal('The requested operation is not supported before starting the microVM.');
}

function run(memory: FakeVm['memory']): void {
  vm = new FakeVm(
    { id: values.id ?? '', folder: process.cwd() },
    {
      cpus: 1,
      memoryMiB: 1,
      rootDiskPath: '',
      boot: { kernelPath: '', initrdPath: '', kernelArgs: [], needsAcpi: false },
    },
    process.pid,
    memory,
  );
  process.stdout.write('fake guest: booting\n');
  vm.onEnd.push(() => end());
}

/** Its last words are in its log: whoever it was left to by its jailer learns of its end from there. */
function end(): never {
  const line = `2026-01-01T00:00:00.000000000 [${values.id}:main${values['show-level'] ? ':INFO' : ''}] Firecracker exiting successfully. exit_code=0\n`;
  if (values['log-path']) {
    const log = openSync(values['log-path'], constants.O_RDWR | constants.O_NONBLOCK);
    writeSync(log, line);
  }
  process.exit(0);
}

function serveVsock(path: string): void {
  if (existsSync(path))
    throw new Refusal('Cannot create backend for vsock device: Address already in use (os error 98)');
  createSocketServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (head) => admit(socket, head.toString('latin1')));
  }).listen(path);
}

function admit(socket: Socket, line: string): void {
  if (!vm || line !== `CONNECT ${agentPort}\n`) {
    socket.destroy();
    return;
  }
  socket.write(`OK ${firstHostPort}\n`);
  const guest = vm.dial();
  guest.on('error', () => socket.destroy()).on('close', () => socket.destroy());
  channels.set(socket, guest);
  socket.on('close', () => {
    channels.delete(socket);
    guest.destroy();
  });
  guest.pipe(socket);
  if (!deaf) socket.pipe(guest);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = (await Array.fromAsync(request)).join('');
  const { method = '', url = '' } = request;
  try {
    if (`${method} ${url}` === 'GET /')
      return reply(response, 200, { id: values.id, state: stateName(), vmm_version: '1.16.1' });
    const operation = operationOf(method, url);
    if (!operation) throw new Refusal(`Invalid request method and/or path: ${method} ${url}.`);
    const parsed = bodies[operation].safeParse(JSON.parse(text));
    if (!parsed.success)
      throw new Refusal(`An error occurred when deserializing the json body: ${parsed.error.message}`);
    perform(operation, parsed.data);
    response.writeHead(204).end();
  } catch (error) {
    reply(response, 400, { fault_message: error instanceof Error ? error.message : String(error) });
  }
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function stateName(): string {
  if (!vm) return 'Not started';
  return paused ? 'Paused' : 'Running';
}

const socketPath = values['api-sock'] ?? '';
createServer((request, response) => void answer(request, response))
  .on('error', (error) => {
    console.error(`FailedToBindSocket: ${error.message}`);
    process.exit(1);
  })
  .listen(socketPath);
