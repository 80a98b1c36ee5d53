// Declared machines as text.
import { type MicroVmView, storedMicroVmView } from '@tvm/api/rest/microvms.ts';
import { printable } from '../output/progress.ts';
import { age, type OutputFormat, table, toJson, toYaml } from '../output/table.ts';

const header = ['NAME', 'PHASE', 'IMAGE', 'CPU', 'MEMORY', 'HOST', 'BOOT', 'AGE'];
const wideHeader = [...header, 'NAMESPACE', 'REASON', 'MESSAGE'];

/** `one`: a single machine is written as itself in JSON and YAML, not as a list. */
export async function machineTable(values: unknown[], format: OutputFormat, one = false): Promise<string> {
  if (format === 'json') return toJson(one ? values[0] : { items: values });
  if (format === 'yaml') return await toYaml(one ? values[0] : { items: values });
  const machines = values.map((value) => storedMicroVmView.parse(value));
  if (format === 'name') return machines.map(({ name }) => `${name}\n`).join('');
  const now = Date.now();
  const rows = machines.map((machine) => (format === 'wide' ? wideRow(machine, now) : row(machine, now)));
  return table(format === 'wide' ? wideHeader : header, rows);
}

function row({ name, deleting, spec, status, createdAt }: MicroVmView, now: number): string[] {
  const phase = deleting ? 'Terminating' : (status.phase ?? 'Pending');
  const boot = status.bootMs === undefined ? '-' : `${status.bootMs} ms`;
  const size = [String(spec.cpu), `${spec.memory} MB`];
  return [name, phase, spec.image, ...size, status.host ?? '-', boot, age(createdAt, now)];
}

function wideRow(machine: MicroVmView, now: number): string[] {
  const { reason, message } = machine.status;
  return [...row(machine, now), machine.namespace, reason ?? '-', printable(message ?? '-')];
}
