// A kubelet, as far as a device plugin sees one: it speaks the same gRPC on the same sockets, and keeps the same rules. The
// behaviours that are tested against it are tested against the real one too.
import { once } from 'node:events';
import { linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { type Client, Code, ConnectError, type ConnectRouter, createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import {
  type ContainerAllocateResponse,
  DevicePlugin,
  Registration,
} from '@tvm/api/gen/kubelet/deviceplugin/v1beta1/deviceplugin_pb.js';
import { PodResourcesLister } from '@tvm/api/gen/kubelet/podresources/v1/podresources_pb.js';

interface Plugin {
  client: Client<typeof DevicePlugin>;
  session: Http2SessionManager;
}

export class KubeletFake implements AsyncDisposable {
  readonly #folder: string;
  readonly #podResources: string;
  #servers: { server: Http2Server; sessions: Set<ServerHttp2Session>; path: string }[] = [];
  /** By endpoint; the last one is asked. */
  readonly #plugins = new Map<string, Plugin>();
  #health = new Map<string, string>();
  readonly #pods = new Map<string, { ids: string[]; resource: string }>();
  #resource = '';
  /** Registrations so far, refused ones too. */
  registrations = 0;
  /** Set: registrations are refused with it. */
  refusal: string | undefined;
  /** Registrations are accepted, and nobody watches. */
  inattentive = false;

  constructor(kubeletFolder: string) {
    this.#folder = join(kubeletFolder, 'device-plugins');
    this.#podResources = join(kubeletFolder, 'pod-resources/kubelet.sock');
  }

  async start(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    mkdirSync(dirname(this.#podResources), { recursive: true });
    rmSync(this.#podResources, { force: true });
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      if (lstatSync(path).isSocket()) rmSync(path);
    }
    await this.#serve(join(this.#folder, 'kubelet.sock'), (router) =>
      router.service(Registration, {
        register: async (request) => {
          this.registrations += 1;
          await this.#register(request.resourceName, request.endpoint);
          return {};
        },
      }),
    );
    await this.#serve(this.#podResources, (router) =>
      router.service(PodResourcesLister, { list: () => ({ podResources: this.#listPods() }) }),
    );
  }

  /** Ends it. `leaveSockets`: as one that was killed, whose sockets stay and refuse. */
  async stop({ leaveSockets = false } = {}): Promise<void> {
    for (const { session } of this.#plugins.values()) session.abort();
    this.#plugins.clear();
    this.#health.clear();
    for (const { server, sessions, path } of this.#servers.splice(0)) {
      if (leaveSockets) linkSync(path, `${path}.kept`);
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
      if (leaveSockets) renameSync(`${path}.kept`, path);
    }
  }

  /** What the node's status says of the resource. */
  get status(): { capacity: number; allocatable: number } {
    const healthy = [...this.#health.values()].filter((health) => health === 'Healthy').length;
    return { capacity: this.#health.size, allocatable: healthy };
  }

  /** Admits a pod with one container that asks for `count` permits. */
  async runPod(name: string, count = 1): Promise<ContainerAllocateResponse> {
    const taken = new Set([...this.#pods.values()].flatMap(({ ids }) => ids));
    const free = [...this.#health].flatMap(([id, health]) => (health === 'Healthy' && !taken.has(id) ? [id] : []));
    if (free.length < count) throw new Error(`UnexpectedAdmissionError: ${free.length} of ${count} permits are free`);
    const ids = free.slice(0, count);
    const answer = await this.allocate(ids);
    this.#pods.set(name, { ids, resource: this.#resource });
    return answer;
  }

  /** The call alone, with ids of the test's choice. */
  async allocate(deviceIds: string[]): Promise<ContainerAllocateResponse> {
    const plugin = [...this.#plugins.values()].at(-1);
    if (!plugin) throw new Error('UnexpectedAdmissionError: the endpoint is stopped');
    const { containerResponses } = await plugin.client.allocate({ containerRequests: [{ deviceIds }] });
    const [answer] = containerResponses;
    if (!answer || containerResponses.length !== 1) throw new Error('not one answer for one container');
    return answer;
  }

  endPod(name: string): void {
    this.#pods.delete(name);
  }

  /** Ends every watch, and stays. */
  disconnect(): void {
    for (const { session } of this.#plugins.values()) session.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #register(resource: string, endpoint: string): Promise<void> {
    if (this.refusal !== undefined) throw new ConnectError(this.refusal, Code.Unknown);
    if (this.#plugins.has(endpoint))
      throw new ConnectError(`device plugin already connected: ${endpoint}`, Code.Unknown);
    const baseUrl = 'http://localhost';
    const path = join(this.#folder, endpoint);
    const session = new Http2SessionManager(baseUrl, {}, { createConnection: () => connect(path) });
    const client = createClient(DevicePlugin, createGrpcTransport({ baseUrl, sessionManager: session }));
    await client.getDevicePluginOptions({}, { timeoutMs: 10_000 });
    this.#resource = resource;
    if (this.inattentive) return session.abort();
    this.#plugins.set(endpoint, { client, session });
    this.#watch(endpoint, client).finally(() => session.abort());
  }

  async #watch(endpoint: string, client: Plugin['client']): Promise<void> {
    try {
      for await (const { devices } of client.listAndWatch({})) {
        this.#health = new Map(devices.map(({ id, health }) => [id, health]));
      }
    } catch {
      // The plugin went away, which is all that its end says.
    }
    if (this.#plugins.get(endpoint)?.client !== client) return;
    this.#plugins.delete(endpoint);
    if (this.#plugins.size === 0) for (const id of this.#health.keys()) this.#health.set(id, 'Unhealthy');
  }

  #listPods() {
    const pods = [...this.#pods].map(([name, { ids: deviceIds, resource: resourceName }]) => ({
      namespace: 'default',
      name,
      containers: [
        {
          name: 'main',
          devices: [
            { resourceName, deviceIds },
            { resourceName: 'example.com/other', deviceIds },
          ],
        },
      ],
    }));
    return [...pods, { namespace: 'default', name: 'holds-none', containers: [{ name: 'main', devices: [] }] }];
  }

  async #serve(path: string, routes: (router: ConnectRouter) => void): Promise<void> {
    const server = createServer(connectNodeAdapter({ routes }));
    const sessions = new Set<ServerHttp2Session>();
    server.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
    });
    server.listen(path);
    await once(server, 'listening');
    this.#servers.push({ server, sessions, path });
  }
}
