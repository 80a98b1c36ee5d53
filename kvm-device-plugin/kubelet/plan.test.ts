import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Action, lookAgainMs, planRegistration, standbyMs, type World, watchDeadlineMs } from './plan.ts';

const nowMs = 1_000_000;
const none = { count: 0, atMs: 0, kubelet: undefined };
const idle: World = {
  folder: true,
  kubelet: 'a',
  endpoint: undefined,
  elder: false,
  leftovers: [],
  registration: undefined,
  failures: none,
};
const registered: World = {
  ...idle,
  endpoint: { inPlace: true },
  registration: { kubelet: 'a', atMs: nowMs, watch: 'open' },
};

/** The action, or the phase when there is nothing to do. */
function next(world: Partial<World>): string {
  const plan = planRegistration({ ...idle, ...world }, nowMs);
  return plan.action ?? `${plan.phase}, ${plan.waitMs}`;
}

test('the way to the kubelet, step by step', () => {
  assert.equal(next({ folder: false, kubelet: undefined }), `no folder, ${lookAgainMs}`);
  assert.equal(next({ kubelet: undefined }), `no kubelet, ${lookAgainMs}`);
  assert.equal(next({ leftovers: ['tvm-kvm-1.sock'] }), 'sweep');
  assert.equal(next({}), 'listen');
  assert.equal(next({ endpoint: { inPlace: true } }), 'register');
  assert.equal(next({ endpoint: { inPlace: true }, elder: true }), `standing by, ${standbyMs}`);
  const registration = { kubelet: 'a', atMs: nowMs - 1000, watch: 'none yet' } as const;
  assert.equal(next({ ...registered, registration }), `registering, ${watchDeadlineMs - 1000}`);
  assert.equal(next(registered), `registered, ${lookAgainMs}`);
});

test('what ends a registration', () => {
  assert.equal(next({ endpoint: { inPlace: false } }), 'withdraw');
  assert.equal(next({ ...registered, endpoint: { inPlace: false } }), 'fail');
  assert.equal(next({ ...registered, endpoint: { inPlace: false }, kubelet: 'b' }), 'withdraw');
  assert.equal(next({ ...registered, kubelet: 'b' }), 'withdraw');
  assert.equal(next({ ...registered, kubelet: undefined }), 'withdraw');
  assert.equal(next({ ...registered, folder: false, kubelet: undefined }), 'withdraw');
  assert.equal(next({ ...registered, elder: true }), 'withdraw');
  const ended = { kubelet: 'a', atMs: nowMs, watch: 'ended' } as const;
  assert.equal(next({ ...registered, registration: ended }), 'fail');
  const unwatched = { kubelet: 'a', atMs: nowMs - watchDeadlineMs, watch: 'none yet' } as const;
  assert.equal(next({ ...registered, registration: unwatched }), 'fail');
});

test('failures are followed by longer waits, up to ten seconds; another kubelet is asked at once', () => {
  const waits = [1, 2, 3, 4, 5, 1000].map((count) => {
    const failures = { count, atMs: nowMs, kubelet: 'a' };
    assert.equal(next({ failures: { ...failures, atMs: nowMs - 10_000 } }), 'listen');
    assert.equal(next({ failures, kubelet: 'b' }), 'listen');
    return planRegistration({ ...idle, failures }, nowMs).waitMs;
  });
  assert.deepEqual(waits, [1000, 2000, 5000, 10_000, 10_000, 10_000]);
});

test('a clock that was set back makes no wait longer', () => {
  const failures = { count: 2, atMs: nowMs + 86_400_000, kubelet: 'a' };
  assert.equal(planRegistration({ ...idle, failures }, nowMs).waitMs, 2000);
});

/** A host, its kubelet and one plugin, as far as plan and registrar see them. */
class Model {
  nowMs = nowMs;
  kubelet: string | undefined = 'kubelet-0';
  folder = true;
  otherSince: number | undefined;
  otherDead = false;
  own: { sinceMs: number; inPlace: boolean } | undefined;
  registration: World['registration'];
  failures: World['failures'] = none;
  leftovers: string[] = [];
  refusing = false;
  #kubelets = 0;

  world(): World {
    return {
      folder: this.folder,
      kubelet: this.kubelet,
      endpoint: this.own && { inPlace: this.own.inPlace },
      elder: this.own !== undefined && this.otherSince !== undefined && this.otherSince < this.own.sinceMs,
      leftovers: this.leftovers,
      registration: this.registration,
      failures: this.failures,
    };
  }

  execute(action: Action): void {
    if (action === 'sweep') this.leftovers = [];
    if (action === 'listen') this.own = { sinceMs: this.nowMs, inPlace: true };
    if (action === 'register' && this.kubelet !== undefined && !this.refusing) {
      this.registration = { kubelet: this.kubelet, atMs: this.nowMs, watch: 'open' };
    }
    const failed = action === 'fail' || (action === 'register' && this.refusing);
    if (failed) this.failures = { count: this.failures.count + 1, atMs: this.nowMs, kubelet: this.kubelet };
    if (failed || action === 'withdraw') this.#withdraw();
  }

  /** The plugin is killed and starts anew: it knows nothing, and its socket stays. */
  crash(): void {
    if (this.own?.inPlace) this.leftovers = ['left'];
    this.#withdraw();
    this.failures = none;
  }

  disturb(event: string): void {
    if (event === 'kubelet starts' || event === 'kubelet killed') {
      if (this.registration) this.registration = { ...this.registration, watch: 'ended' };
    }
    if (event === 'kubelet starts') {
      this.#kubelets += 1;
      this.kubelet = `kubelet-${this.#kubelets}`;
      this.folder = true;
      this.leftovers = [];
      if (this.own) this.own.inPlace = false;
    }
    if (event === 'kubelet stops') this.kubelet = undefined;
    if (event === 'folder goes') [this.folder, this.kubelet] = [false, undefined];
    if (event === 'folder goes' || event === 'socket deleted') if (this.own) this.own.inPlace = false;
    if (event === 'other starts') this.otherSince = this.nowMs - 0.5;
    if (event === 'older other starts') this.otherSince = 0;
    if (event === 'other ends') this.otherSince = undefined;
    if (event === 'refuses') this.refusing = true;
    if (event === 'crash') this.crash();
  }

  #withdraw(): void {
    this.own = undefined;
    this.registration = undefined;
  }
}

const events = [
  'kubelet starts',
  'kubelet killed',
  'kubelet stops',
  'folder goes',
  'socket deleted',
  'other starts',
  'older other starts',
  'other ends',
  'refuses',
  'crash',
];

test('from any world, with any disturbance between any two steps, the plugin ends up registered or standing by', () => {
  const disturbances = fc.array(fc.option(fc.constantFrom(...events)), { maxLength: 40 });
  fc.assert(
    fc.property(disturbances, fc.nat(20_000), fc.boolean(), (story, stepMs, alone) => {
      const model = new Model();
      const step = () => {
        const { action, phase } = planRegistration(model.world(), model.nowMs);
        if (action) model.execute(action);
        model.nowMs += action ? 1 : stepMs + 1;
        return action ?? phase;
      };
      for (const event of story) {
        step();
        if (event) model.disturb(event);
      }
      model.refusing = false;
      if (alone) model.disturb('other ends');
      model.disturb('kubelet starts');
      // Withdraw, sweep, listen, register; each at most once, then nothing.
      const last = Array.from({ length: 6 }, step).slice(4);
      const expected = !alone && model.otherSince !== undefined ? 'standing by' : 'registered';
      assert.deepEqual(last, [expected, expected]);
      assert.ok(model.own?.inPlace);
      assert.deepEqual(model.leftovers, []);
    }),
    { numRuns: 2000 },
  );
});
