// The MicroVM of a session, for tools that change what is declared of it.
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { microVms } from '@tvm/kit/kube/client.ts';
import type { ToolCall } from '../../tool.ts';

type Call = Pick<ToolCall, 'context' | 'deps'>;

export function getMicroVm({ context, deps }: Call): Promise<MicroVm> {
  return deps.client.get(microVms, context.session.namespace, context.microVm);
}

export function patchMicroVm({ context, deps }: Call, patch: object): Promise<MicroVm> {
  return deps.client.patch(microVms, context.session.namespace, context.microVm, patch);
}
