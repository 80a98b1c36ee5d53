// What callers without a good token are told (RFC 6750, RFC 9728). Invariant: without a good token every session looks the
// same, whether there is such a one or not.
import type { TvmError } from '@tvm/api/errors.ts';
import { sessionScopes } from '@tvm/api/kinds/mcp-session.ts';
import { invalidToken } from '../access/access.ts';
import type { Scope } from './contract.ts';
import { metadataUrl } from './sessions/session-url.ts';

/** 401: `resource` is the URL that was called. */
export function unauthorizedResponse(resource: string, { message, reason, hint }: TvmError): Response {
  const given = reason === invalidToken;
  const parameters = {
    ...(given && { error: 'invalid_token', error_description: message }),
    scope: sessionScopes.join(' '),
    resource_metadata: metadataUrl(resource),
  };
  const body = { error: given ? 'invalid_token' : 'unauthorized', error_description: withHint(message, hint) };
  return challenge(401, parameters, body);
}

/** 403: the token lacks these scopes. */
export function insufficientScopeResponse(resource: string, needed: readonly Scope[]): Response {
  const description = `the token does not have the scope ${needed.join(' ')}`;
  const parameters = {
    error: 'insufficient_scope',
    error_description: description,
    scope: needed.join(' '),
    resource_metadata: metadataUrl(resource),
  };
  return challenge(403, parameters, { error: 'insufficient_scope', error_description: description });
}

/** The metadata of a session as a protected resource. No authorization server gives its tokens: its Secret has them. */
export function metadataOf(resource: string, base: string): object {
  return {
    resource,
    bearer_methods_supported: ['header'],
    scopes_supported: sessionScopes,
    resource_name: 'Trashfire Vending Machine: one session',
    resource_documentation: `${base}/docs`,
  };
}

function challenge(status: number, parameters: Record<string, string>, body: object): Response {
  const said = Object.entries(parameters).map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, "'")}"`);
  const headers = { 'www-authenticate': `Bearer realm="tvm", ${said.join(', ')}`, 'cache-control': 'no-store' };
  return Response.json(body, { status, headers });
}

function withHint(message: string, hint: string | undefined): string {
  return hint === undefined ? message : `${message}. ${hint}`;
}
