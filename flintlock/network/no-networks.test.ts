import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { openHarness, smallSpec } from '../testing/flintlock-harness.ts';

test('a node without networks makes no machine that asks for one, and says why', async () => {
  await using harness = await openHarness();
  const { client } = harness;
  const create = (network: object) => client.createMachine({ uid: 'x', spec: { ...smallSpec, network } });
  const isWith = (code: Code, message: RegExp) => (error: unknown) =>
    error instanceof ConnectError && error.code === code && message.test(error.message);
  await assert.rejects(create({ egress: 'open' }), isWith(Code.FailedPrecondition, /no networks for machines/));
  await assert.rejects(create({ egress: 'everything' }), isWith(Code.InvalidArgument, /network\.egress/));
  assert.deepEqual((await client.listMachines({})).machines, []);
  assert.match((await client.getNode({})).networksUnavailable, /no networks for machines/);
});
