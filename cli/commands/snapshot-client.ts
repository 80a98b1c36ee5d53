// The requests about snapshots and forks, with answers checked against the contract.
import { TvmError } from '@tvm/api/errors.ts';
import {
  type ForkRequest,
  type ForkView,
  forkView,
  type SnapshotCreate,
  type SnapshotView,
  snapshotView,
} from '@tvm/api/rest/snapshots.ts';
import { z } from 'zod';
import type { RestClient } from '../client/rest-client.ts';
import { pathOf } from './machine-client.ts';

const list = z.object({ items: z.array(snapshotView) });
const pollMs = 150;

type Namespace = string | undefined;

export async function takeSnapshot(client: RestClient, machine: string, request: SnapshotCreate, namespace: Namespace) {
  const path = `${pathOf(machine)}/snapshot`;
  return snapshotView.parse(await client.json({ method: 'POST', path, query: { namespace }, json: request }));
}

export async function listSnapshots(client: RestClient, namespace: Namespace): Promise<SnapshotView[]> {
  return list.parse(await client.json({ path: '/v1/snapshots', query: { namespace } })).items;
}

export async function getSnapshot(client: RestClient, name: string, namespace: Namespace): Promise<SnapshotView> {
  return snapshotView.parse(await client.json({ path: snapshotPath(name), query: { namespace } }));
}

export async function deleteSnapshot(client: RestClient, name: string, namespace: Namespace): Promise<void> {
  await client.json({ method: 'DELETE', path: snapshotPath(name), query: { namespace } });
}

export async function forkMachine(
  client: RestClient,
  machine: string,
  request: ForkRequest,
  namespace: Namespace,
): Promise<ForkView> {
  const path = `${pathOf(machine)}/fork`;
  return forkView.parse(await client.json({ method: 'POST', path, query: { namespace }, json: request }));
}

/** Asks again and again until `done` says so; undefined is "no such snapshot". Throws TvmError deadline_exceeded. */
export async function waitForSnapshot(
  client: RestClient,
  name: string,
  namespace: Namespace,
  timeoutMs: number,
  done: (snapshot: SnapshotView | undefined) => boolean,
): Promise<SnapshotView | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const snapshot = await getSnapshot(client, name, namespace).catch(undefinedIfNotFound);
    if (done(snapshot)) return snapshot;
    if (performance.now() > deadline) throw tooLate(name, snapshot, timeoutMs);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

export function readyMessage({ status }: SnapshotView): string {
  return status.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
}

function tooLate(name: string, snapshot: SnapshotView | undefined, timeoutMs: number): TvmError {
  const phase = snapshot?.status.phase ?? 'Pending';
  return new TvmError('deadline_exceeded', `snapshot ${name} is still ${phase} after ${timeoutMs / 1000} s`, {
    object: `microvmsnapshot/${name}`,
    hint: (snapshot && readyMessage(snapshot)) || 'Nothing was reported about it.',
  });
}

function undefinedIfNotFound(error: unknown): undefined {
  if (error instanceof TvmError && error.code === 'not_found') return undefined;
  throw error;
}

const snapshotPath = (name: string) => `/v1/snapshots/${encodeURIComponent(name)}`;
