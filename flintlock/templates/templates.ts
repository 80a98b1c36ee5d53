// The node's templates: snapshots of machines that have just come up, one a kind, from which the next ones start.
// Invariant: what is opened is whole and fits; what turned out to be bad is gone at once and made anew.
import { TvmError } from '@tvm/api/errors.ts';
import type { BootFiles, RootImage } from '@tvm/images/contract.ts';
import { backoffMs } from '@tvm/kit/backoff.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { SnapshotManifest, SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Driver } from '../vmm/driver.ts';
import { kindOf, nameOfKind, type TemplateKind, templateKey } from './template-kind.ts';

export interface TemplatesDeps {
  store: SnapshotStore;
  driver: Pick<Driver, 'fingerprint'>;
  clock: Clock;
  log: Logger;
  /** False: machines always boot. */
  enabled: boolean;
}

export interface TemplateView extends TemplateKind {
  state: 'building' | 'ready' | 'failed';
  /** Why it failed. */
  message: string;
  sizeBytes: number;
  createdAtMs: number;
}

/** A template that a machine can start from. */
export interface OpenTemplate {
  key: string;
  folder: string;
}

/** One that is to be made. */
export interface WantedTemplate {
  key: string;
  kind: TemplateKind;
}

const maxKept = 32;
const maxFailures = 3;
/** Kinds whose template could not be made. */
const maxRemembered = 64;
const maxUnusedMs = 14 * 24 * 3_600_000;
const failureBackoff = { baseMs: 10_000, maxMs: 3_600_000 };

interface Work {
  kind: TemplateKind;
  state: 'queued' | 'building' | 'failed';
  message: string;
  failures: number;
  failedAtMs: number;
}

export class Templates {
  readonly #deps: TemplatesDeps;
  /** What there is none of yet, by key. */
  readonly #work = new Map<string, Work>();
  /** How many machines in a row did not come up from a template, since the last that did. */
  readonly #record = new Map<string, number>();
  #wake = Promise.withResolvers<void>();

  constructor(deps: TemplatesDeps) {
    this.#deps = deps;
  }

  /** The template of such a machine, checked; undefined: there is none, it has to boot. */
  async open(kind: TemplateKind, image: RootImage, boot: BootFiles): Promise<OpenTemplate | undefined> {
    const { store, log, enabled } = this.#deps;
    if (!enabled) return undefined;
    const key = this.#keyOf(kind, image, boot);
    if (!(await store.has(key))) return undefined;
    try {
      const folder = await store.open(key, image.digest);
      await store.touch(key);
      return { key, folder };
    } catch (thrown) {
      const error = TvmError.from(thrown);
      log.warn({ err: error, template: key }, 'a template cannot be used');
      await this.discard(key);
      return undefined;
    }
  }

  /** A machine of the kind had to boot: the next one shall not. */
  want(kind: TemplateKind, image: RootImage, boot: BootFiles): void {
    const { enabled, clock } = this.#deps;
    if (!enabled) return;
    const key = this.#keyOf(kind, image, boot);
    const work = this.#work.get(key) ?? {
      kind: kindOf(kind),
      state: 'failed',
      message: '',
      failures: 0,
      failedAtMs: 0,
    };
    if (work.state !== 'failed') return;
    const restMs = work.failures === 0 ? 0 : backoffMs(failureBackoff, work.failures, () => 1);
    if (clock.now() < work.failedAtMs + restMs) return;
    this.#work.set(key, { ...work, state: 'queued' });
    this.#wake.resolve();
  }

  /** Its files are damaged, or cannot be loaded. */
  async discard(key: string): Promise<void> {
    this.#record.delete(key);
    await this.#deps.store.remove(key);
  }

  /** A machine that started from it came up. */
  praise(key: string): void {
    this.#record.set(key, 0);
  }

  /** One did not. What has served well before is given some more chances: the fault may be the machine's. */
  async blame(key: string): Promise<void> {
    const failures = (this.#record.get(key) ?? maxFailures) + 1;
    this.#record.set(key, failures);
    if (failures < maxFailures) return;
    this.#deps.log.warn({ template: key }, 'machines from a template do not come up; it is made anew');
    await this.discard(key);
  }

  /** The next one to make; waits for it. Undefined when the signal aborts. */
  async next(signal: AbortSignal): Promise<WantedTemplate | undefined> {
    while (!signal.aborted) {
      for (const [key, work] of this.#work) {
        if (work.state !== 'queued') continue;
        if (await this.#deps.store.has(key)) {
          this.#work.delete(key);
          continue;
        }
        work.state = 'building';
        return { key, kind: work.kind };
      }
      this.#wake = Promise.withResolvers();
      await Promise.race([this.#wake.promise, aborted(signal)]);
    }
    return undefined;
  }

  /** It was made: older ones of its kind have had their day. */
  async made(key: string): Promise<void> {
    const kind = this.#work.get(key)?.kind;
    this.#work.delete(key);
    if (kind) await this.#removeOthers(key, kind);
    await this.sweep();
  }

  failed(key: string, message: string): void {
    const work = this.#work.get(key);
    if (!work) return;
    const failures = work.failures + 1;
    this.#work.delete(key);
    this.#work.set(key, { ...work, state: 'failed', message, failures, failedAtMs: this.#deps.clock.now() });
    const failed = [...this.#work].filter(([, { state }]) => state === 'failed');
    for (const [oldest] of failed.slice(0, -maxRemembered)) this.#work.delete(oldest);
  }

  async list(): Promise<TemplateView[]> {
    const ready = (await this.#deps.store.list()).map(viewOf);
    const others = [...this.#work.values()].map(
      ({ kind, state, message }): TemplateView => ({
        ...kind,
        state: state === 'failed' ? 'failed' : 'building',
        message,
        sizeBytes: 0,
        createdAtMs: 0,
      }),
    );
    return [...ready, ...others];
  }

  /** Removes what nothing has started from for long, and the least used beyond a number. */
  async sweep(): Promise<void> {
    const { store, clock } = this.#deps;
    const byUse = (await store.usage()).sort((a, b) => b.usedAtMs - a.usedAtMs);
    const old = byUse.filter(({ usedAtMs }, place) => place >= maxKept || clock.now() - usedAtMs > maxUnusedMs);
    for (const { name } of old) await store.remove(name);
  }

  async #removeOthers(key: string, kind: TemplateKind): Promise<void> {
    const { store } = this.#deps;
    const same = (await store.list()).filter(({ spec }) => nameOfKind(spec) === nameOfKind(kind));
    for (const { name } of same) if (name !== key) await store.remove(name);
  }

  #keyOf(kind: TemplateKind, image: RootImage, boot: BootFiles): string {
    const vmm = this.#deps.driver.fingerprint();
    return templateKey(kind, { imageDigest: image.digest, bootDigest: boot.digest, vmm });
  }
}

function viewOf({ spec, files, createdAtMs }: SnapshotManifest): TemplateView {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { ...kindOf(spec), state: 'ready', message: '', sizeBytes, createdAtMs };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
