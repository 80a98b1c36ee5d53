// The names of what a session owns. Invariant: made of its name and uid alone, so that doing it twice makes one, and so that
// nobody who knows only the name can take them before it.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { KubeObject } from '@tvm/api/kinds/meta.ts';

/** On a session: the MicroVMSnapshot of its namespace that its next own machine starts from. */
export const restoreFromAnnotation = 'vvm.tvm.github.com/restore-from';

/** Host names have 63 characters at most. */
export const machineNameOf = (session: McpSession) => named(session, 63, '');
/** Of the MicroVM that it works in: the one it is bound to, or its own. */
export const microVmNameOf = (session: McpSession) => session.spec.vmId ?? machineNameOf(session);
export const secretNameOf = (session: McpSession) => named(session, 200, '-token');

/** Whether the session made the object. */
export function isOwned({ metadata }: Pick<KubeObject, 'metadata'>, session: McpSession): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === session.metadata.uid) ?? false;
}

export function ownerReferenceTo({ apiVersion, kind, metadata: { name, uid = '' } }: McpSession) {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

function named({ metadata: { name, uid = '' } }: McpSession, maxLength: number, suffix: string): string {
  const end = `-${uid.replaceAll(/[^a-z0-9]/g, '').slice(0, 12)}${suffix}`;
  const start = name.replaceAll('.', '-').slice(0, maxLength - end.length);
  return `${start.replace(/-+$/, '')}${end}`;
}
