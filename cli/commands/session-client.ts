// The requests about MCP sessions, with answers checked against the contract.
import { TvmError } from '@tvm/api/errors.ts';
import {
  type SessionCreate,
  type SessionToken,
  type SessionView,
  sessionToken,
  sessionView,
} from '@tvm/api/rest/sessions.ts';
import { z } from 'zod';
import type { RestClient } from '../client/rest-client.ts';

const items = z.object({ items: z.array(sessionView) });
const pollMs = 100;

type Namespace = string | undefined;

export async function createSession(client: RestClient, request: SessionCreate): Promise<SessionView> {
  return sessionView.parse(await client.json({ method: 'POST', path: '/v1/sessions', json: request }));
}

export async function listSessions(client: RestClient, namespace: Namespace): Promise<SessionView[]> {
  return items.parse(await client.json({ path: '/v1/sessions', query: { namespace } })).items;
}

export async function endSession(client: RestClient, name: string, namespace: Namespace): Promise<void> {
  await client.json({ method: 'DELETE', path: pathOf(name), query: { namespace } });
}

export async function rotateToken(client: RestClient, name: string, namespace: Namespace): Promise<void> {
  await client.json({ method: 'POST', path: `${pathOf(name)}/rotate`, query: { namespace } });
}

/** Waits a while for one that is just being made. */
export async function tokenOf(client: RestClient, name: string, namespace: Namespace): Promise<SessionToken> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      return sessionToken.parse(await client.json({ path: `${pathOf(name)}/token`, query: { namespace } }));
    } catch (error) {
      const isBeingMade = error instanceof TvmError && error.reason === 'NoToken';
      if (!isBeingMade || performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Asks again and again until `done` says so; undefined is "no such session". Throws TvmError deadline_exceeded. */
export async function waitForSession(
  client: RestClient,
  { name, namespace }: { name: string; namespace: Namespace },
  timeoutMs: number,
  done: (session: SessionView | undefined) => boolean,
): Promise<SessionView | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const session = await findSession(client, name, namespace);
    if (done(session)) return session;
    if (performance.now() > deadline) throw tooLate(name, session, timeoutMs);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

export function readyOf({ status }: SessionView) {
  return status.conditions?.find(({ type }) => type === 'Ready');
}

function tooLate(name: string, session: SessionView | undefined, timeoutMs: number): TvmError {
  const state = session?.status.state ?? 'Pending';
  return new TvmError('deadline_exceeded', `session ${name} is still ${state} after ${timeoutMs / 1000} s`, {
    object: `mcpsession/${name}`,
    hint: (session && readyOf(session)?.message) || 'Nothing was reported about it.',
  });
}

async function findSession(client: RestClient, name: string, namespace: Namespace): Promise<SessionView | undefined> {
  try {
    return sessionView.parse(await client.json({ path: pathOf(name), query: { namespace } }));
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}

const pathOf = (name: string) => `/v1/sessions/${encodeURIComponent(name)}`;
