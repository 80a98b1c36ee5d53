// A whole flintlock on a Unix socket in a folder of its own, with fake machines, for tests.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Flintlock, type Machine, MachineState, TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeLogger } from '@tvm/kit/log.ts';
import { openFlintlock, type RunningFlintlock } from '../flintlock.ts';
import type { Driver } from '../vmm/driver.ts';
import { makeFakeDriver } from '../vmm/fake/driver.ts';
import { FakeHost } from '../vmm/fake/host.ts';
import { makeFakeImages } from '../vmm/fake/images.ts';

export type FlintlockClient = Client<typeof Flintlock>;

export interface TestClient extends Disposable {
  flintlock: FlintlockClient;
}

/** A client of the socket `unix:/path`. */
export function makeTestClient(address: string): TestClient {
  const path = address.slice('unix:'.length);
  const sessionManager = new Http2SessionManager('http://localhost', {}, { createConnection: () => connect(path) });
  const transport = createGrpcTransport({ baseUrl: 'http://localhost', sessionManager });
  return {
    flintlock: createClient(Flintlock, transport),
    [Symbol.dispose]: () => sessionManager.abort(),
  };
}

export interface FlintlockHarness extends AsyncDisposable {
  home: string;
  host: FakeHost;
  client: FlintlockClient;
  /** Closes flintlock and opens it again; `client` reaches the new one. */
  restart(): Promise<void>;
}

export interface HarnessOptions {
  memoryMiB?: number;
  diskMiB?: number;
  bootTimeoutMs?: number;
  templates?: boolean;
  suspendAfterMs?: number;
  /** Another driver around the fake one. */
  wrap?: (driver: Driver) => Driver;
}

export async function openHarness(options: HarnessOptions = {}): Promise<FlintlockHarness> {
  const home = await mkdtemp(join(tmpdir(), 'tvm-flint-'));
  const host = new FakeHost();
  const open = () =>
    openFlintlock({
      config: {
        listen: `unix:${home}/run/flintlock.sock`,
        stateFolder: join(home, 'flintlock'),
        nodeName: 'test-node',
        templates: options.templates ?? false,
        suspendAfterMs: options.suspendAfterMs ?? 0,
        bootTimeoutMs: options.bootTimeoutMs ?? 2000,
        limits: { cpus: 4, memoryMiB: options.memoryMiB ?? 1024, machines: 100, diskMiB: options.diskMiB ?? 4096 },
      },
      driver: options.wrap?.(makeFakeDriver(host)) ?? makeFakeDriver(host),
      images: makeFakeImages(),
      log: makeLogger('flintlock', 'silent'),
    });
  let running: RunningFlintlock = await open();
  let client = makeTestClient(running.address);
  const close = async () => {
    client[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
  };
  return {
    home,
    host,
    get client() {
      return client.flintlock;
    },
    async restart() {
      await close();
      running = await open();
      client = makeTestClient(running.address);
    },
    async [Symbol.asyncDispose]() {
      await close();
      for (const vm of host.vms.values()) vm.finish({ exitCode: null, signal: 'SIGKILL', stderr: '' });
      await rm(home, { recursive: true, force: true });
    },
  };
}

export const smallSpec = { image: 'tvm/python', cpus: 1, memoryMib: 64 };

/** Polls until the node has a template of the image. */
export async function untilTemplate(client: FlintlockClient, image: string): Promise<void> {
  while (true) {
    const { templates } = await client.getNode({});
    const mine = templates.find((template) => template.image === image);
    if (mine?.state === TemplateState.READY) return;
    if (mine?.state === TemplateState.FAILED) throw new Error(`no template of ${image}: ${mine.message}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Polls until the machine is in the state. */
export async function untilState(client: FlintlockClient, uid: string, state: MachineState): Promise<Machine> {
  while (true) {
    const machine = await client.getMachine({ uid });
    if (machine.state === state) return machine;
    if (machine.state === MachineState.FAILED) throw new Error(`machine ${uid} failed: ${machine.message}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
