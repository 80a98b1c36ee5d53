// Kubernetes' protobuf envelope: the bytes `k8s\0`, then runtime.Unknown with the type and the object.
import { badRequest } from '../status/status-error.ts';
import { messageOf } from './messages.ts';
import { type Message, readMessage } from './wire.ts';

const magic = Buffer.from('k8s\0', 'latin1');

const unknownMessage: Message = {
  1: {
    name: 'typeMeta',
    type: { message: { 1: { name: 'apiVersion', type: 'string' }, 2: { name: 'kind', type: 'string' } } },
  },
  2: { name: 'raw', type: 'bytes' },
};

/** The object as JSON; undefined for a kind that is not read as protobuf. Throws StatusError 400 for broken bytes. */
export function decodeEnvelope(bytes: Buffer): unknown {
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw badRequest('provided data does not appear to be a protobuf message');
  try {
    const { typeMeta, raw } = readMessage(bytes.subarray(magic.length), unknownMessage) as {
      typeMeta?: { apiVersion?: string; kind?: string };
      raw?: string;
    };
    const { apiVersion = '', kind = '' } = typeMeta ?? {};
    const message = messageOf(apiVersion, kind);
    return message && { apiVersion, kind, ...readMessage(Buffer.from(raw ?? '', 'base64'), message) };
  } catch (error) {
    if (error instanceof RangeError) throw badRequest(`unable to decode protobuf: ${error.message}`);
    throw error;
  }
}
