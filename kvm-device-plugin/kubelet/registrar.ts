// Keeps the plugin registered: looks, plans, acts, and waits for the next change.
// Invariant: at most one endpoint is open, and it is closed when run() returns.
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { Alarm } from '../alarm.ts';
import { FolderWatch } from '../folder-watch.ts';
import type { PluginCalls } from '../plugin-calls.ts';
import { kubeletPaths, register } from './client.ts';
import { type Endpoint, openEndpoint } from './endpoint.ts';
import { describePhase } from './phase.ts';
import { type Action, type Phase, type Plan, planRegistration, type World, watchDeadlineMs } from './plan.ts';
import { findOthers, newSocketName, socketIdentity } from './sockets.ts';

export interface RegistrarDeps {
  /** The kubelet's folder, mostly /var/lib/kubelet. */
  kubeletFolder: string;
  calls: PluginCalls;
  clock: Clock;
  log: Logger;
  onRegistered?: (result: 'ok' | 'failed') => void;
}

export class Registrar {
  readonly #deps: RegistrarDeps;
  readonly #paths: ReturnType<typeof kubeletPaths>;
  readonly #alarm: Alarm;
  #endpoint: Endpoint | undefined;
  #registration: { kubelet: string; atMs: number } | undefined;
  #failures: World['failures'] = { count: 0, atMs: 0, kubelet: undefined };
  #phase: Phase | undefined;

  constructor(deps: RegistrarDeps) {
    this.#deps = deps;
    this.#paths = kubeletPaths(deps.kubeletFolder);
    this.#alarm = new Alarm(deps.clock);
  }

  get phase(): Phase {
    return this.#phase ?? 'no folder';
  }

  async run(signal: AbortSignal): Promise<void> {
    using watch = new FolderWatch(this.#paths.folder, () => this.#alarm.ring());
    while (!signal.aborted) {
      const watching = watch.ensure();
      const world = await this.#observe();
      const plan = planRegistration(world, this.#deps.clock.now());
      this.#tell(plan);
      if (plan.action) await this.#tryExecute(plan.action, world);
      else await this.#alarm.wait(watching ? plan.waitMs : Math.min(plan.waitMs, 1000), signal);
    }
    await this.#withdraw();
  }

  async #observe(): Promise<World> {
    const { folder, registration: kubeletSocket } = this.#paths;
    const endpoint = this.#endpoint;
    const [exists, kubelet, inPlace, { living, dead }] = await Promise.all([
      access(folder).then(
        () => true,
        () => false,
      ),
      socketIdentity(kubeletSocket),
      endpoint && socketIdentity(endpoint.path).then((found) => found !== undefined),
      findOthers(folder, endpoint?.name),
    ]);
    return {
      folder: exists,
      kubelet,
      endpoint: endpoint && { inPlace: inPlace === true },
      elder: endpoint !== undefined && living.some((name) => name < endpoint.name),
      leftovers: dead,
      registration: endpoint && this.#registration && { ...this.#registration, watch: endpoint.watch() },
      failures: this.#failures,
    };
  }

  async #execute(action: Action, world: World): Promise<void> {
    const { calls, clock, log } = this.#deps;
    const { folder, registration: kubeletSocket } = this.#paths;
    switch (action) {
      case 'sweep':
        for (const name of world.leftovers) await rm(join(folder, name), { force: true });
        return;
      case 'listen': {
        const onWatch = () => this.#alarm.ring();
        this.#endpoint = await openEndpoint(folder, newSocketName(clock.now()), { calls, log, onWatch });
        return;
      }
      case 'register':
        if (!this.#endpoint || world.kubelet === undefined) return;
        await register(kubeletSocket, this.#endpoint.name);
        this.#registration = { kubelet: world.kubelet, atMs: clock.now() };
        this.#deps.onRegistered?.('ok');
        return;
      case 'withdraw':
        return await this.#withdraw();
      case 'fail':
        return await this.#fail(world);
    }
  }

  async #tryExecute(action: Action, world: World): Promise<void> {
    try {
      await this.#execute(action, world);
    } catch (error) {
      const { log, onRegistered } = this.#deps;
      if (action === 'register') onRegistered?.('failed');
      log.warn({ err: TvmError.from(error), action, folder: this.#paths.folder }, 'not known to the kubelet yet');
      await this.#fail(world);
    }
  }

  /** An attempt that worked for a while is none of a row of failures. */
  async #fail({ kubelet }: World): Promise<void> {
    const nowMs = this.#deps.clock.now();
    const worked = this.#registration !== undefined && nowMs - this.#registration.atMs > watchDeadlineMs;
    this.#failures = { count: worked ? 1 : this.#failures.count + 1, atMs: nowMs, kubelet };
    await this.#withdraw();
  }

  async #withdraw(): Promise<void> {
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    this.#registration = undefined;
    await endpoint?.[Symbol.asyncDispose]();
  }

  #tell({ phase, action, why }: Plan): void {
    const { log } = this.#deps;
    if (action) log.debug({ action, why }, 'next step');
    if (action === 'withdraw' || action === 'fail') log.warn({ why }, 'registering again');
    if (phase === this.#phase) return;
    this.#phase = phase;
    const told = describePhase(phase, this.#paths.folder);
    if (phase === 'no folder') log.warn(told);
    else log.info(told);
  }
}
