// Request bodies: bounded, then JSON, YAML or protobuf by Content-Type.
import type { IncomingMessage } from 'node:http';
import { decodeEnvelope } from '../protobuf/envelope.ts';
import { badRequest, bodyTooLarge, StatusError, unsupportedMediaType } from '../status/status-error.ts';
import { parseMediaTypes } from './accept.ts';
import { checkDepth, duplicateKeys } from './json-scan.ts';
import { parseYaml } from './yaml-body.ts';

export const maximumBodyBytes = 3 * 1024 * 1024;

const protobuf = 'application/vnd.kubernetes.protobuf';
const objectTypes = ['application/json', 'application/yaml', protobuf];

export interface Body {
  mediaType: string;
  bytes: Buffer;
}

/** Throws StatusError 413 above 3 MiB, 400 when the client leaves before the end. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const mediaType = parseMediaTypes(request.headers['content-type'])[0]?.type ?? '';
  if (Number(request.headers['content-length'] ?? 0) > maximumBodyBytes) throw bodyTooLarge(maximumBodyBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += (chunk as Buffer).length;
      if (size > maximumBodyBytes) throw bodyTooLarge(maximumBodyBytes);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw badRequest(`error reading the body: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { mediaType, bytes: Buffer.concat(chunks) };
}

/** An object in a body; undefined for no body. Throws StatusError 400, 415. */
export function parseBody({ mediaType, bytes }: Body, kind: string): unknown {
  if (bytes.length === 0) return undefined;
  if (mediaType === 'application/json' || mediaType === '') return parseJson(bytes, kind);
  if (mediaType === 'application/yaml') return parseYaml(bytes.toString('utf8'));
  if (mediaType !== protobuf) throw unsupportedMediaType(objectTypes);
  const decoded = decodeEnvelope(bytes);
  if (decoded === undefined) throw unsupportedMediaType(objectTypes.filter((type) => type !== protobuf));
  return decoded;
}

function parseJson(bytes: Buffer, kind: string): unknown {
  const value = jsonOr(bytes, (error) => {
    const why = error instanceof Error ? error.message : String(error);
    const told = `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: ${why}`;
    throw badRequest(told);
  });
  checkDepth(value);
  return value;
}

/** The fields that a JSON body, which has been parsed, names twice. */
export function duplicateFields({ mediaType, bytes }: Body): string[] {
  return mediaType === 'application/json' || mediaType === '' ? duplicateKeys(bytes.toString('utf8')) : [];
}

/** The body of a patch. Throws StatusError 400. */
export function parsePatch({ mediaType, bytes }: Body): unknown {
  if (mediaType === 'application/apply-patch+yaml') return parseYaml(bytes.toString('utf8'));
  const value = jsonOr(bytes, () => {
    throw badRequest('invalid JSON patch');
  });
  checkDepth(value);
  return value;
}

function jsonOr(bytes: Buffer, fail: (error: unknown) => never): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return fail(error);
  }
}
