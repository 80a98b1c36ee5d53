import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '../log.ts';
import { makeManualClock } from '../manual-clock.ts';
import { events, secrets } from './client.ts';
import { makeEventRecorder } from './event-recorder.ts';
import { makeMemoryKube } from './memory-client.ts';

const object = { ...secrets, metadata: { name: 'it', namespace: 'default', uid: 'u' } };
const said = (message: string) => ({ type: 'Normal' as const, reason: 'Said', message });

function start(client = makeMemoryKube()) {
  const clock = makeManualClock();
  const log = makeLogger('test', 'silent');
  return { client, clock, recorder: makeEventRecorder({ client, clock, log, component: 'test', instance: 'one' }) };
}

test('the same Event counts up; after a while it is a new one', async () => {
  const { client, clock, recorder } = start();
  for (let time = 0; time < 3; time += 1) recorder.record(object, said('hello'));
  await recorder.flush();
  assert.deepEqual(
    (await client.list(events)).items.map(({ count }) => count),
    [3],
  );
  await clock.advance(600_001);
  recorder.record(object, said('hello'));
  await recorder.flush();
  assert.equal((await client.list(events)).items.length, 2);
});

test('an object that never stops talking is cut short, and may speak again later', async () => {
  const { client, clock, recorder } = start();
  for (let time = 0; time < 500; time += 1) recorder.record(object, said(`${time}`));
  await recorder.flush();
  assert.equal((await client.list(events)).items.length, 25);
  await clock.advance(120_000);
  for (let time = 0; time < 10; time += 1) recorder.record(object, said(`later ${time}`));
  await recorder.flush();
  assert.equal((await client.list(events)).items.length, 27);
});

test('a server that refuses Events does not hurt who records', async () => {
  const kube = makeMemoryKube();
  const { recorder } = start({ ...kube, create: () => Promise.reject(new TvmError('permission_denied', 'no')) });
  recorder.record(object, said('x'));
  await recorder.flush();
});
