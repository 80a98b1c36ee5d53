// TvmError over Connect: thrown by servers as ConnectError, read back by clients with object, hint and reason.
import { type Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, rpcCodeOf, TvmError, type TvmErrorOptions } from './errors.ts';

const codeOfRpc = new Map<Code, ErrorCode>(Object.entries(rpcCodeOf).map(([code, rpc]) => [rpc, code as ErrorCode]));
const retryAfterKey = 'tvm-retry-after-seconds';
const metadataKeys = { object: 'tvm-object', hint: 'tvm-hint', reason: 'tvm-reason' } as const;

export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = TvmError.from(thrown);
  const converted = new ConnectError(error.message, rpcCodeOf[error.code], undefined, undefined, error);
  for (const [field, key] of Object.entries(metadataKeys)) {
    const value = error[field as keyof typeof metadataKeys];
    if (value !== undefined) converted.metadata.set(key, encodeURIComponent(value));
  }
  if (error.retryAfterSeconds !== undefined) converted.metadata.set(retryAfterKey, String(error.retryAfterSeconds));
  return converted;
}

export function fromConnectError(thrown: unknown): TvmError {
  if (thrown instanceof TvmError) return thrown;
  const error = ConnectError.from(thrown);
  const options: TvmErrorOptions = { cause: error };
  for (const [field, key] of Object.entries(metadataKeys)) {
    const value = error.metadata.get(key);
    if (value) options[field as keyof typeof metadataKeys] = decodeURIComponent(value);
  }
  const retryAfterSeconds = Number(error.metadata.get(retryAfterKey) ?? Number.NaN);
  if (Number.isFinite(retryAfterSeconds)) options.retryAfterSeconds = retryAfterSeconds;
  return new TvmError(codeOfRpc.get(error.code) ?? 'internal', error.rawMessage, options);
}
