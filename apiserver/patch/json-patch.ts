// JSON patch (RFC 6902) over fast-json-patch, with Kubernetes' errors.
import fastJsonPatch, { type Operation } from 'fast-json-patch';
import { badRequest, StatusError } from '../status/status-error.ts';

const maximumOperations = 10_000;

/** Throws StatusError 400 for what is no patch, 422 when it cannot be applied, 413 when it is too long. */
export function jsonPatch(target: object, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    );
  }
  if (patch.length > maximumOperations) {
    const message = `The allowed maximum operations in a JSON patch is ${maximumOperations}, got ${patch.length}`;
    throw new StatusError(413, 'RequestEntityTooLarge', message);
  }
  try {
    return fastJsonPatch.applyPatch(structuredClone(target), patch as Operation[], true, true, true).newDocument;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const message = 'the server rejected our request due to an error in our request';
    throw new StatusError(422, 'Invalid', message, {});
  }
}
