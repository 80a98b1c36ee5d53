// The lists of metrics in docs/observability.md are those of the registries.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { showMachineUse } from '@tvm/flintlock/machine-metrics.ts';
import { measure } from '@tvm/flintlock/metrics.ts';
import { makeRegistry, type Registry } from '@tvm/kit/metrics.ts';
import { makePluginMetrics, watchPlugin } from '@tvm/kvm-device-plugin/metrics.ts';
import { measureGateway } from '@tvm/lime-ctrl/mcp/metrics.ts';
import { makeLimeMetrics, watchEngine, watchFleet } from '@tvm/lime-ctrl/metrics.ts';

const page = readFileSync(join(import.meta.dirname, '../docs/observability.md'), 'utf8');

/** Nothing is asked for its values. */
const nothing = {} as never;

const fill: Record<string, (registry: Registry) => Promise<void> | void> = {
  async flintlock(registry) {
    const machines = { async *watch() {} } as never;
    await measure(registry, { machines, limits: nothing }, new AbortController().signal);
    showMachineUse(registry, nothing);
  },
  'lime-ctrl'(registry) {
    makeLimeMetrics([registry]);
    watchEngine([registry], nothing, nothing);
    watchFleet([registry], nothing, nothing);
    measureGateway([registry], nothing);
  },
  'kvm-device-plugin'(registry) {
    makePluginMetrics([registry]);
    watchPlugin([registry], nothing);
  },
};

/** Names in the first column of the part's table. */
function namesInTable(part: string): string[] {
  const table = page.split(`| ${part} | |\n`)[1]?.split('\n\n')[0] ?? '';
  const cells = table.split('\n').map((line) => line.split('|')[1] ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`(tvm_\w+)`/g)].map(([, name]) => name ?? '')).sort();
}

for (const [part, fillRegistry] of Object.entries(fill)) {
  test(`the metrics of ${part} are those that are documented`, async () => {
    const registry = makeRegistry();
    await fillRegistry(registry);
    const names = registry.getMetricsAsArray().map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name.startsWith('tvm_')).sort(), namesInTable(part));
  });
}
