import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeRegistry } from '@tvm/kit/metrics.ts';
import { showMachineUse } from './machine-metrics.ts';
import type { MachineRecord } from './machines/record.ts';
import type { UsedMachine } from './machines/usage-sweep.ts';
import { networkUseIn } from './vmm/network-use.ts';
import { sumOf } from './vmm/qemu/disk-use.ts';

const used = (labels: Record<string, string>, usage: Partial<UsedMachine['usage']> = {}): UsedMachine => ({
  record: { labels } as MachineRecord,
  usage: { residentBytes: 1024, cpuTimeMs: 1500, ...usage },
});
const demo = { owner: 'microvm', namespace: 'default', name: 'demo' };

/** The lines of our series, each checked against the text format. */
function samplesOf(text: string): string[] {
  const format = /^[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? -?[\d.e+]+$/;
  const lines = text.split('\n').filter((line) => line.startsWith('tvm_'));
  for (const line of lines) assert.match(line, format);
  return lines;
}

test('each declared machine has its series as long as it is there; others are counted together', async () => {
  const registry = makeRegistry();
  const disk = { readBytes: 4096, writtenBytes: 512, reads: 2, writes: 1 };
  let all = [used(demo, { disk, network: { receivedBytes: 7, sentBytes: 9 } })];
  all.push(used({ owner: 'microvm', namespace: 'other', name: 'demo' }), used({ owner: 'execute' }), used({}));
  showMachineUse(registry, async () => all);
  const samples = samplesOf(await registry.metrics());
  for (const expected of [
    'tvm_machine_cpu_seconds_total{namespace="default",name="demo"} 1.5',
    'tvm_machine_memory_resident_bytes{namespace="other",name="demo"} 1024',
    'tvm_machine_disk_read_bytes_total{namespace="default",name="demo"} 4096',
    'tvm_machine_disk_written_bytes_total{namespace="default",name="demo"} 512',
    'tvm_machine_disk_reads_total{namespace="default",name="demo"} 2',
    'tvm_machine_disk_writes_total{namespace="default",name="demo"} 1',
    'tvm_machine_network_received_bytes_total{namespace="default",name="demo"} 7',
    'tvm_machine_network_sent_bytes_total{namespace="default",name="demo"} 9',
    'tvm_node_vmm_resident_bytes{owner="microvm"} 2048',
    'tvm_node_vmm_resident_bytes{owner="execute"} 1024',
    'tvm_node_vmm_resident_bytes{owner="other"} 1024',
  ]) {
    assert.ok(samples.includes(expected), expected);
  }
  assert.equal(samples.filter((line) => line.includes('network') && line.includes('other')).length, 0);
  all = [used({ owner: 'pool' })];
  const after = samplesOf(await registry.metrics());
  assert.deepEqual(
    after.filter((line) => line.startsWith('tvm_machine')),
    [],
  );
  assert.ok(after.includes('tvm_node_vmm_resident_bytes{owner="pool"} 1024'));
});

test('what the kernel and QEMU count is read as the guest sees it', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  tap0:    1111      12    0    0    0     0          0         0     2222      34    0    0    0     0       0          0
`;
  assert.deepEqual(networkUseIn(text), { sentBytes: 1111, receivedBytes: 2222 });
  assert.equal(networkUseIn(text.replace('tap0', 'eth0')), undefined);
  const stats = { rd_bytes: 10, wr_bytes: 20, rd_operations: 1, wr_operations: 2, flush_operations: 0 };
  const answer = [
    { qdev: '/machine/a', stats },
    { qdev: '/machine/b', stats },
    { 'node-name': 'root', stats },
  ];
  assert.deepEqual(sumOf(answer), { readBytes: 20, writtenBytes: 40, reads: 2, writes: 4 });
});
