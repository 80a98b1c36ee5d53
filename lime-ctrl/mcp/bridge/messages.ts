// JSON-RPC messages as they travel through the bridge. Invariant: what is not sound JSON-RPC never becomes a message.

export type Fields = Record<string, unknown>;
export type MessageId = string | number;

export interface RpcRequest {
  jsonrpc: '2.0';
  id: MessageId;
  method: string;
  params?: Fields;
}

export interface RpcNotification {
  jsonrpc: '2.0';
  method: string;
  params?: Fields;
}

export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

export type RpcResponse =
  | { jsonrpc: '2.0'; id: MessageId; result: Fields }
  | { jsonrpc: '2.0'; id: MessageId; error: RpcError };

export type Message = RpcRequest | RpcNotification | RpcResponse;

export const codes = {
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  serverGone: -32000,
  timeOut: -32001,
} as const;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const isRequest = (message: Message): message is RpcRequest => 'method' in message && 'id' in message;
export const isNotification = (message: Message): message is RpcNotification =>
  'method' in message && !('id' in message);
export const isResponse = (message: Message): message is RpcResponse => !('method' in message);

/** Undefined for everything that is no JSON-RPC message. */
export function parseMessage(line: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isMessage(value) ? value : undefined;
}

function isMessage(value: unknown): value is Message {
  if (!isFields(value) || value.jsonrpc !== '2.0') return false;
  const { id, method, params, result, error } = value;
  const identified = typeof id === 'string' || typeof id === 'number';
  if (typeof method === 'string') return (id === undefined || identified) && (params === undefined || isFields(params));
  if (!identified) return false;
  return isFields(result) || (isFields(error) && typeof error.code === 'number' && typeof error.message === 'string');
}

export const resultOf = (id: MessageId, result: Fields): RpcResponse => ({ jsonrpc: '2.0', id, result });

export const errorOf = (id: MessageId, code: number, message: string, data?: unknown): RpcResponse => ({
  jsonrpc: '2.0',
  id,
  error: { code, message, ...(data !== undefined && { data }) },
});

export const notificationOf = (method: string, params?: Fields): RpcNotification => ({
  jsonrpc: '2.0',
  method,
  ...(params && { params }),
});

export const metaOf = (fields: Fields | undefined): Fields => (isFields(fields?._meta) ? fields._meta : {});
