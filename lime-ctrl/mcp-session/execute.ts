// One executor an action. Invariant: each may be run again with the same result, and none decides anything; what is somebody
// else's is never changed.
import { TvmError } from '@tvm/api/errors.ts';
import { type McpSession, type McpSessionStatus, sessionFinalizer } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { machineFinalizer } from '@tvm/api/kinds/microvm.ts';
import { type KubeClient, mcpSessions, microVms, type Secret, secrets } from '@tvm/kit/kube/client.ts';
import type { SessionTokens } from '../mcp/sessions/tokens.ts';
import { isOwned, machineNameOf, ownerReferenceTo, secretNameOf } from './names.ts';
import { findSecret } from './observe.ts';
import type { Action } from './world.ts';

export interface ExecuteDeps {
  client: KubeClient;
  tokens: SessionTokens;
}

const labelsFor = ({ metadata: { uid = '' } }: McpSession) => ({
  'app.kubernetes.io/managed-by': 'lime-ctrl',
  'vvm.tvm.github.com/session-uid': uid,
});

/** Does the action and gives the session as it is afterwards. */
export async function executeAction(deps: ExecuteDeps, action: Action, session: McpSession): Promise<McpSession> {
  const { client } = deps;
  const { name, namespace = '', uid = '', finalizers = [] } = session.metadata;
  switch (action.type) {
    case 'addFinalizer':
      if (finalizers.includes(sessionFinalizer)) return session;
      return withFinalizers(client, session, [...finalizers, sessionFinalizer]);
    case 'removeFinalizer':
      return withFinalizers(
        client,
        session,
        finalizers.filter((each) => each !== sessionFinalizer),
      );
    case 'deleteObject':
      await unless(['not_found'], client.delete(mcpSessions, namespace, name, { uid }));
      return session;
    case 'createMachine':
      // One that is there already is looked at next time, whosever it is.
      await unless(['already_exists'], client.create(microVms, machineOf(session, action)));
      return session;
    case 'deleteMachine':
      await unless(
        ['not_found', 'aborted'],
        client.delete(microVms, namespace, machineNameOf(session), { uid: action.uid }),
      );
      return session;
    case 'writeToken':
      await writeToken(deps, session, await deps.tokens.mint(action.grant));
      return session;
  }
}

/** Writes the status unless it is what the object has. */
export async function writeStatus(client: KubeClient, session: McpSession, status: McpSessionStatus) {
  return status === session.status ? session : client.updateStatus(mcpSessions, { ...session, status });
}

async function writeToken({ client }: ExecuteDeps, session: McpSession, token: string): Promise<void> {
  const found = await findSecret(client, session);
  if (found && !isOwned(found, session)) {
    throw new TvmError('aborted', `Secret ${secretNameOf(session)} is not this session's`, { reason: 'SecretTaken' });
  }
  const data = { token: Buffer.from(token).toString('base64') };
  if (found) await client.update(secrets, { ...found, data });
  else await client.create(secrets, secretOf(session, data));
}

function secretOf(session: McpSession, data: Record<string, string>): Secret {
  const { namespace = '' } = session.metadata;
  const ownerReferences = [ownerReferenceTo(session)];
  const metadata = { name: secretNameOf(session), namespace, labels: labelsFor(session), ownerReferences };
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data };
}

function machineOf(session: McpSession, { shape, idleTimeoutSeconds }: Extract<Action, { type: 'createMachine' }>) {
  const { namespace = '' } = session.metadata;
  const ownerReferences = [ownerReferenceTo(session)];
  // Its controller would add the finalizer first of all: that is a write less until the machine is there.
  const finalizers = [machineFinalizer];
  return {
    apiVersion,
    kind: 'MicroVM',
    metadata: { name: machineNameOf(session), namespace, labels: labelsFor(session), ownerReferences, finalizers },
    spec: {
      ...shape,
      mcpMode: true,
      desiredState: 'Running' as const,
      idleTimeoutSeconds,
      onIdle: 'Pause' as const,
    },
  };
}

function withFinalizers(client: KubeClient, session: McpSession, finalizers: string[]): Promise<McpSession> {
  return client.update(mcpSessions, { ...session, metadata: { ...session.metadata, finalizers } });
}

async function unless(codes: TvmError['code'][], call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof TvmError && codes.includes(error.code))) throw error;
  }
}
