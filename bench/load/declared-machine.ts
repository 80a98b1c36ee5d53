// A declared machine for a probe, and what is made from it. Invariant: all of it is deleted afterwards.
import { randomBytes } from 'node:crypto';
import type { MicroVmView } from '@tvm/api/rest/microvms.ts';
import type { RestClient } from '../product/rest-client.ts';
import { defaultMemoryMiB, until } from '../product/waiting.ts';

/** Gives `use` the name of a machine that runs; deletes it, and whatever carries its name, afterwards. */
export async function withDeclaredMachine<T>(rest: RestClient, use: (name: string) => Promise<T>): Promise<T> {
  const name = `bench-${randomBytes(3).toString('hex')}`;
  const spec = { image: 'tvm/python', cpu: 1, memory: defaultMemoryMiB, mcpMode: false };
  try {
    await rest.json('POST', '/v1/microvms', { name, spec });
    await untilRunning(rest, [name]);
    return await use(name);
  } finally {
    await deleteMachines(rest, (each) => each.startsWith(name));
  }
}

export async function untilRunning(rest: RestClient, names: readonly string[]): Promise<void> {
  await until(`${names.length} machines run`, async () => {
    const byName = new Map((await machines(rest)).map((machine) => [machine.name, machine.status]));
    const failed = names.map((name) => byName.get(name)).find((status) => status?.phase === 'Failed');
    if (failed) throw new Error(`a machine failed: ${failed.message ?? failed.reason}`);
    return names.every((name) => byName.get(name)?.phase === 'Running');
  });
}

export async function deleteMachines(rest: RestClient, isOurs: (name: string) => boolean): Promise<void> {
  const ours = async () => (await machines(rest)).filter(({ name }) => isOurs(name));
  for (const { name, deleting } of await ours()) if (!deleting) await rest.json('DELETE', `/v1/microvms/${name}`);
  await until('the machines are gone', async () => (await ours()).length === 0);
}

async function machines(rest: RestClient): Promise<MicroVmView[]> {
  return (await rest.json<{ items: MicroVmView[] }>('GET', '/v1/microvms')).items;
}
