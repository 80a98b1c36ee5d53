// The requests about declared machines, with answers checked against the contract.

import { TvmError } from '@tvm/api/errors.ts';
import { type MicroVmCreate, type MicroVmView, storedMicroVmView } from '@tvm/api/rest/microvms.ts';
import { z } from 'zod';
import type { RestClient } from '../client/rest-client.ts';

const list = z.object({ items: z.array(storedMicroVmView) });

export type MachineAction = 'start' | 'stop' | 'pause' | 'resume';

export async function listMachines(
  client: RestClient,
  query: { namespace?: string | undefined; allNamespaces?: boolean | undefined },
): Promise<MicroVmView[]> {
  return list.parse(await client.json({ path: '/v1/microvms', query })).items;
}

export async function getMachine(client: RestClient, name: string, namespace?: string): Promise<MicroVmView> {
  return storedMicroVmView.parse(await client.json({ path: pathOf(name), query: { namespace } }));
}

export async function createMachine(client: RestClient, request: MicroVmCreate): Promise<MicroVmView> {
  return storedMicroVmView.parse(await client.json({ method: 'POST', path: '/v1/microvms', json: request }));
}

export async function deleteMachine(client: RestClient, name: string, namespace?: string): Promise<void> {
  await client.json({ method: 'DELETE', path: pathOf(name), query: { namespace } });
}

export async function changeMachine(client: RestClient, name: string, action: MachineAction, namespace?: string) {
  const answer = await client.json({ method: 'POST', path: `${pathOf(name)}/${action}`, query: { namespace } });
  return storedMicroVmView.parse(answer);
}

export function pathOf(name: string): string {
  return `/v1/microvms/${encodeURIComponent(name)}`;
}

/** Asks again and again until `done` says so; undefined is "no such machine". Throws TvmError deadline_exceeded. */
export async function waitForMachine(
  client: RestClient,
  name: string,
  namespace: string | undefined,
  timeoutMs: number,
  done: (machine: MicroVmView | undefined) => boolean,
): Promise<MicroVmView | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const machine = await findMachine(client, name, namespace);
    if (done(machine)) return machine;
    if (performance.now() > deadline) {
      const phase = machine?.status.phase ?? 'Pending';
      throw new TvmError('deadline_exceeded', `machine ${name} is still ${phase} after ${timeoutMs / 1000} s`, {
        object: `microvm/${name}`,
        hint: `${machine?.status.message ?? 'Nothing was reported about it.'}\nSee "vvm get ${name} -o yaml".`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

async function findMachine(client: RestClient, name: string, namespace?: string): Promise<MicroVmView | undefined> {
  try {
    return await getMachine(client, name, namespace);
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}
