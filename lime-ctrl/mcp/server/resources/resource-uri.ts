// What a URI of ours names. Pure; whatever is not ours is undefined.
import type { Scope } from '../../contract.ts';

export const selfViews = ['status', 'metrics', 'processes', 'ports', 'policy'] as const;
export type SelfView = (typeof selfViews)[number];

export type ResourceName =
  | { kind: 'file'; path: string }
  | { kind: 'exec'; id: string; channel: 'stdout' | 'stderr' }
  | { kind: 'self'; view: SelfView };

export function parseResourceUri(uri: string): ResourceName | undefined {
  if (uri.startsWith('file:///')) return fileName(uri.slice('file://'.length));
  const [, id, channel] = /^exec:\/\/([\w.-]{1,64})\/(stdout|stderr)$/.exec(uri) ?? [];
  if (id !== undefined) return { kind: 'exec', id, channel: channel as 'stdout' | 'stderr' };
  const view = selfViews.find((each) => uri === `vm://self/${each}`);
  return view && { kind: 'self', view };
}

function fileName(encoded: string): ResourceName | undefined {
  try {
    const path = decodeURIComponent(encoded);
    return path.length <= 4_096 && !path.includes('\0') ? { kind: 'file', path } : undefined;
  } catch {
    return undefined;
  }
}

export function fileUri(path: string): string {
  return `file://${path.split('/').map(encodeURIComponent).join('/')}`;
}

export const scopeOfKind: Record<ResourceName['kind'], Scope> = {
  file: 'vm:files',
  exec: 'vm:exec',
  self: 'vm:read',
};
