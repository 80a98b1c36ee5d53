import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { systemClock } from '@tvm/kit/clock.ts';
import { openPortUrl } from '../../../../ports/port-urls.ts';
import { eras, startEndpoint } from '../../../../testing/mcp-endpoint.ts';
import { makeSeal } from '../../../seal.ts';

const keys = async () => [randomKey];
const randomKey = randomBytes(32);
const deps = { seal: makeSeal(keys), clock: systemClock, portUrlSeconds: 3_600 };

interface Exposed {
  url: string;
  expires_at: string;
}

test('expose_port gives a URL for one port of this machine, for a while', async () => {
  await using endpoint = await startEndpoint({ keys, portUrlSeconds: 600 });
  for (const era of eras) {
    const client = await endpoint.connect(era);
    const beganMs = Date.now();
    const result = await client.callTool({ name: 'expose_port', arguments: { port: 8000, ttl_seconds: 60 } });
    const { url, expires_at } = result.structuredContent as unknown as Exposed;
    const lifeMs = Date.parse(expires_at) - beganMs;
    assert.ok(lifeMs >= 60_000 && lifeMs < 70_000);
    const { origin, pathname } = new URL(url);
    assert.equal(origin, new URL(endpoint.context.url).origin);
    const [, sealed = ''] = /^\/ports\/([\w.-]+)\/$/.exec(pathname) ?? [];
    const { port, uid, namespace } = await openPortUrl(deps, sealed);
    assert.deepEqual([port, uid, namespace], [8000, endpoint.local.machine.uid, 'default']);
    for (const args of [{}, { port: 0 }, { port: 80, ttl_seconds: 601 }, { port: 80, ttl_seconds: 3_601 }]) {
      assert.equal((await client.callTool({ name: 'expose_port', arguments: args })).isError, true);
    }
  }
});

test('expose_port is there for vm:admin alone, and says so where URLs are switched off', async () => {
  await using endpoint = await startEndpoint({ keys, portUrlSeconds: 0 });
  const client = await endpoint.connect('modern');
  const { content, isError } = await client.callTool({ name: 'expose_port', arguments: { port: 80 } });
  assert.equal(isError, true);
  assert.match(JSON.stringify(content), /switched off/);
  endpoint.context.scopes = new Set(['vm:read', 'vm:exec', 'vm:files']);
  const { tools } = await (await endpoint.connect('modern')).listTools();
  assert.ok(tools.every(({ name }) => name !== 'expose_port'));
});
