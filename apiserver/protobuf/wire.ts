// The protobuf wire format, read by a table of fields: enough for the messages that kubectl sends in no other form.
export type FieldType =
  | 'string'
  | 'bytes'
  | 'bool'
  | 'int'
  | 'time'
  | 'microTime'
  | { message: Message }
  | { map: 'string' | 'bytes' };

export interface Field {
  name: string;
  type: FieldType;
  repeated?: boolean;
}

/** Fields by number. */
export type Message = Readonly<Record<number, Field>>;

type JsonObject = Record<string, unknown>;

/** The message as JSON in the form of Kubernetes. Throws RangeError for bytes that are no such message. */
export function readMessage(bytes: Buffer, message: Message): JsonObject {
  const result: JsonObject = {};
  for (const { number, value } of rawFields(bytes)) {
    const field = message[number];
    if (field) addField(result, field, value);
  }
  return result;
}

function addField(result: JsonObject, field: Field, raw: Buffer | bigint): void {
  const { name, type } = field;
  if (typeof type === 'object' && 'map' in type) {
    const entry = readMessage(asBytes(raw), {
      1: { name: 'key', type: 'string' },
      2: { name: 'value', type: type.map },
    });
    const map = (result[name] as JsonObject) ?? {};
    result[name] = { ...map, [String(entry.key ?? '')]: entry.value ?? '' };
    return;
  }
  const value = scalar(type, raw);
  if (field.repeated) result[name] = [...((result[name] as unknown[]) ?? []), value];
  else if (value !== '' && value !== undefined) result[name] = value;
}

function scalar(type: Exclude<FieldType, { map: unknown }>, raw: Buffer | bigint): unknown {
  if (typeof type === 'object') return readMessage(asBytes(raw), type.message);
  if (type === 'string') return asBytes(raw).toString('utf8');
  if (type === 'bytes') return asBytes(raw).toString('base64');
  if (type === 'bool') return asNumber(raw) !== 0n;
  if (type === 'int') return Number(BigInt.asIntN(64, asNumber(raw)));
  return timeText(asBytes(raw), type === 'microTime');
}

function timeText(bytes: Buffer, isMicro: boolean): string | undefined {
  const { seconds = 0, nanos = 0 } = readMessage(bytes, {
    1: { name: 'seconds', type: 'int' },
    2: { name: 'nanos', type: 'int' },
  }) as { seconds?: number; nanos?: number };
  if (seconds === 0 && nanos === 0) return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return isMicro ? `${text}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z` : `${text}Z`;
}

function* rawFields(bytes: Buffer): Generator<{ number: number; value: Buffer | bigint }> {
  let position = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes.readUInt8(position++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a varint is too long');
  };
  const take = (length: number) => {
    if (length > bytes.length - position) throw new RangeError('a field is longer than its message');
    position += length;
    return bytes.subarray(position - length, position);
  };
  while (position < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (wireType === 0) yield { number, value: varint() };
    else if (wireType === 1) yield { number, value: take(8).readBigUInt64LE() };
    else if (wireType === 2) yield { number, value: take(Number(varint())) };
    else if (wireType === 5) yield { number, value: BigInt(take(4).readUInt32LE()) };
    else throw new RangeError(`wire type ${wireType} is not known`);
  }
}

function asBytes(raw: Buffer | bigint): Buffer {
  if (typeof raw === 'bigint') throw new RangeError('a number where bytes belong');
  return raw;
}

function asNumber(raw: Buffer | bigint): bigint {
  if (typeof raw !== 'bigint') throw new RangeError('bytes where a number belongs');
  return raw;
}
