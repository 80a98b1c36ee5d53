import assert from 'node:assert/strict';
import test from 'node:test';
import { eras, startEndpoint } from '../testing/mcp-endpoint.ts';

for (const era of eras) {
  test(`${era}: a client lists tools and calls one`, { timeout: 20_000 }, async () => {
    await using endpoint = await startEndpoint();
    const client = await endpoint.connect(era);
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === 'vm_status'));
    const result = await client.callTool({ name: 'vm_status', arguments: {} });
    assert.equal((result.structuredContent as { image: string }).image, 'tvm/python');
    assert.equal(result.isError ?? false, false);
  });
}
