// A failure as the API tells it: Kubernetes' Status object, and one maker for each reason, with Kubernetes' own words.
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';
import type { FieldError } from './field-error.ts';

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: { reason?: string; message: string; field?: string }[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, unknown>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

/** What a message names: the plural and its group. */
export interface ResourceName {
  group: string;
  plural: string;
}

export interface KindName {
  group: string;
  kind: string;
}

/** A TvmError that knows the Status object with which the API answers. */
export class StatusError extends TvmError {
  readonly status: Status;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(errorCodeOf(code), message);
    this.name = 'StatusError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason && { reason }),
      ...(details && { details }),
      code,
    };
  }
}

function errorCodeOf(httpStatus: number): ErrorCode {
  const known: Record<number, ErrorCode> = {
    401: 'unauthenticated',
    403: 'permission_denied',
    404: 'not_found',
    409: 'aborted',
    410: 'data_loss',
    429: 'resource_exhausted',
    504: 'deadline_exceeded',
  };
  return known[httpStatus] ?? (httpStatus < 500 ? 'invalid_argument' : 'internal');
}

/** `microvms.vvm.tvm.github.com`, or `secrets` in the core group. */
export function qualified({ group, plural }: ResourceName): string {
  return group ? `${plural}.${group}` : plural;
}

function detailsOf(resource: ResourceName, name: string): StatusDetails {
  return { ...(name && { name }), ...(resource.group && { group: resource.group }), kind: resource.plural };
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message);
}

export function unauthorized(): StatusError {
  return new StatusError(401, 'Unauthorized', 'Unauthorized');
}

export function forbidden(resource: ResourceName, name: string, why: string, causes?: StatusDetails['causes']) {
  const details = { ...detailsOf(resource, name), ...(causes && { causes }) };
  return new StatusError(403, 'Forbidden', `${qualified(resource)} "${name}" is forbidden: ${why}`, details);
}

export function notFound(resource: ResourceName, name: string): StatusError {
  return new StatusError(404, 'NotFound', `${qualified(resource)} "${name}" not found`, detailsOf(resource, name));
}

export function methodNotAllowed(): StatusError {
  const message = 'the server does not allow this method on the requested resource';
  return new StatusError(405, 'MethodNotAllowed', message, {});
}

/** A verb that a custom resource does not have at this place. */
export function verbNotSupported(resource: ResourceName, verb: string): StatusError {
  const { group, plural } = resource;
  const message = `${verb} is not supported on resources of kind "${qualified(resource)}"`;
  return new StatusError(405, 'MethodNotAllowed', message, { group, kind: plural });
}

export function notAcceptable(accepted: string): StatusError {
  const message = `only the following media types are accepted: ${accepted}`;
  return new StatusError(406, 'NotAcceptable', message);
}

export function alreadyExists(resource: ResourceName, name: string): StatusError {
  const message = `${qualified(resource)} "${name}" already exists`;
  return new StatusError(409, 'AlreadyExists', message, detailsOf(resource, name));
}

export function conflict(resource: ResourceName, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return new StatusError(409, 'Conflict', message, detailsOf(resource, name));
}

export function modified(resource: ResourceName, name: string): StatusError {
  const why = 'the object has been modified; please apply your changes to the latest version and try again';
  return conflict(resource, name, why);
}

export function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message);
}

export function bodyTooLarge(limitBytes: number): StatusError {
  const message = `Request entity too large: limit is ${limitBytes}`;
  return new StatusError(413, 'RequestEntityTooLarge', message);
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new StatusError(415, 'UnsupportedMediaType', message);
}

export function invalidObject(kind: KindName, name: string, errors: readonly FieldError[]): StatusError {
  const told = errors.map((error) => `${error.field}: ${error.message}`);
  const list = told.length === 1 ? told[0] : `[${told.join(', ')}]`;
  const who = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  const causes = errors.map(({ reason, message, field }) => ({ reason, message, field }));
  return new StatusError(422, 'Invalid', `${who} "${name}" is invalid: ${list}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}

export function resourceVersionTooLarge(wanted: string, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  return new StatusError(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

export function success(details: StatusDetails): Omit<Status, 'code'> {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

/** Any thrown thing as a Status; what is not a failure of the request says nothing of the inside. */
export function statusOf(thrown: unknown): Status {
  if (thrown instanceof StatusError) return thrown.status;
  return new StatusError(500, 'InternalError', 'Internal error occurred').status;
}
