// What each declared machine uses, and what the VMMs of all others use together. Invariant: a machine's series end with the
// machine; machines that nobody named have no series of their own, or there would be a new one for each execute.
import { Counter, Gauge, type Registry } from '@tvm/kit/metrics.ts';
import type { UsedMachine } from './machines/usage-sweep.ts';
import type { VmUsage } from './vmm/driver.ts';

const labelNames = ['namespace', 'name'] as const;

interface Series {
  name: string;
  help: string;
  /** Undefined: nothing is known of it. */
  value: (usage: VmUsage) => number | undefined;
}

const counters: Series[] = [
  {
    name: 'tvm_machine_cpu_seconds_total',
    help: 'Processor time that the VMM of a declared machine has used.',
    value: ({ cpuTimeMs }) => cpuTimeMs / 1000,
  },
  {
    name: 'tvm_machine_disk_read_bytes_total',
    help: 'What a declared machine has read from its disks since its VMM started.',
    value: ({ disk }) => disk?.readBytes,
  },
  {
    name: 'tvm_machine_disk_written_bytes_total',
    help: 'What a declared machine has written to its disks since its VMM started.',
    value: ({ disk }) => disk?.writtenBytes,
  },
  {
    name: 'tvm_machine_disk_reads_total',
    help: 'Read operations of a declared machine on its disks since its VMM started.',
    value: ({ disk }) => disk?.reads,
  },
  {
    name: 'tvm_machine_disk_writes_total',
    help: 'Write operations of a declared machine on its disks since its VMM started.',
    value: ({ disk }) => disk?.writes,
  },
  {
    name: 'tvm_machine_network_received_bytes_total',
    help: 'What a declared machine has received through its network interface since its VMM started.',
    value: ({ network }) => network?.receivedBytes,
  },
  {
    name: 'tvm_machine_network_sent_bytes_total',
    help: 'What a declared machine has sent through its network interface since its VMM started.',
    value: ({ network }) => network?.sentBytes,
  },
];

const resident: Series = {
  name: 'tvm_machine_memory_resident_bytes',
  help: 'Memory of the host that the VMM of a declared machine has, with what it shares with others.',
  value: ({ residentBytes }) => residentBytes,
};

/** `look` is asked when somebody reads the registry. */
export function showMachineUse(registry: Registry, look: () => Promise<UsedMachine[]>): void {
  const registers = [registry];
  for (const series of counters) {
    new Counter({
      ...{ name: series.name, help: series.help, labelNames, registers },
      async collect() {
        const used = await look();
        this.reset();
        for (const [labels, value] of valuesOf(series, used)) this.inc(labels, value);
      },
    });
  }
  new Gauge({
    ...{ name: resident.name, help: resident.help, labelNames, registers },
    async collect() {
      const used = await look();
      this.reset();
      for (const [labels, value] of valuesOf(resident, used)) this.set(labels, value);
    },
  });
  new Gauge({
    name: 'tvm_node_vmm_resident_bytes',
    help: 'Memory of the host that VMMs have, by whose machines they run (microvm, pool, execute, template, other).',
    labelNames: ['owner'],
    registers,
    async collect() {
      const used = await look();
      for (const owner of owners) this.set({ owner }, 0);
      for (const { record, usage } of used) this.inc({ owner: ownerOf(record.labels) }, usage.residentBytes);
    },
  });
}

const owners = ['microvm', 'pool', 'execute', 'template', 'other'] as const;

function ownerOf({ owner }: Record<string, string>): (typeof owners)[number] {
  return owners.find((known) => known === owner) ?? 'other';
}

function* valuesOf({ value }: Series, used: UsedMachine[]): Generator<[{ namespace: string; name: string }, number]> {
  for (const { record, usage } of used) {
    const { owner, namespace, name } = record.labels;
    const known = value(usage);
    if (owner === 'microvm' && namespace && name && known !== undefined) yield [{ namespace, name }, known];
  }
}
