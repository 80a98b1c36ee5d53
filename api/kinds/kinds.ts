// The list of custom kinds: CRDs, OpenAPI, the embedded API server and the controllers read it.
import { mcpSessionKind } from './mcp-session.ts';
import type { Kind } from './meta.ts';
import { microVmKind } from './microvm.ts';
import { microVmPoolKind } from './microvm-pool.ts';
import { microVmSnapshotKind } from './microvm-snapshot.ts';

export const kinds: readonly Kind[] = [microVmKind, mcpSessionKind, microVmSnapshotKind, microVmPoolKind];
