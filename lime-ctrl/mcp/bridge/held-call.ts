// A request to a server of 2025-11-25 that may outlive the client's request: the server asks in the middle of it, the client
// gets that as an answer and comes back. Invariant: it has at most one client that waits, and is answered at most once.
import { randomBytes } from 'node:crypto';
import { type Fields, isFields, type MessageId, type RpcRequest, type RpcResponse, resultOf } from './messages.ts';

export interface HeldCall {
  /** Of the request as the server knows it. */
  id: MessageId;
  method: string;
  /** What the client brings back: unguessable, and good once, for this call alone. */
  state: string | undefined;
  /** Under which id the client waits now. */
  waiter: MessageId | undefined;
  /** What the server calls its progress by, and what the client that waits does. */
  progressToken: unknown;
  waiterToken: unknown;
  /** What the server asked and was not told. */
  pending: Map<string, RpcRequest>;
  /** The answer, when it came while nobody waited. */
  answer: RpcResponse | undefined;
  asked: number;
  heldSinceMs: number;
}

export function makeHeldCall(request: RpcRequest, progressToken: unknown): HeldCall {
  return {
    id: request.id,
    method: request.method,
    state: undefined,
    waiter: request.id,
    progressToken,
    waiterToken: progressToken,
    pending: new Map(),
    answer: undefined,
    asked: 0,
    heldSinceMs: 0,
  };
}

export function addQuestion(call: HeldCall, request: RpcRequest): void {
  call.asked += 1;
  call.pending.set(`input-${call.asked}`, request);
}

/** What the client is answered while something is pending: with a fresh state, the one before is good no more. */
export function inputRequiredOf(call: HeldCall): Fields {
  const { pending } = call;
  call.state = randomBytes(18).toString('base64url');
  const inputRequests = Object.fromEntries(
    [...pending].map(([key, { method, params = {} }]) => [key, { method, params }]),
  );
  return { resultType: 'input_required', inputRequests, requestState: call.state };
}

/** The server's answers out of what the client brought; what is missing or unsound stays pending. */
export function takeAnswers({ pending }: HeldCall, inputResponses: unknown): RpcResponse[] {
  const answers: RpcResponse[] = [];
  if (!isFields(inputResponses)) return answers;
  for (const [key, { id }] of [...pending]) {
    const value = Object.hasOwn(inputResponses, key) ? inputResponses[key] : undefined;
    if (!isFields(value)) continue;
    pending.delete(key);
    answers.push(resultOf(id, value));
  }
  return answers;
}
