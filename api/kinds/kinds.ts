// The list of custom kinds, in order of their plurals as Kubernetes tells them: CRDs, OpenAPI and the embedded API server
// read it.
import { mcpSessionKind } from './mcp-session.ts';
import type { Kind } from './meta.ts';
import { microVmKind } from './microvm.ts';
import { microVmPoolKind } from './microvm-pool.ts';
import { microVmSnapshotKind } from './microvm-snapshot.ts';

export const kinds: readonly Kind[] = [mcpSessionKind, microVmPoolKind, microVmKind, microVmSnapshotKind];
