// Which names the gateway answers to, and for pages of which sites. Invariant: a page of another site that a browser shows
// reaches no session, also not by a name of its own that it made point to this address.
import { validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';

const loopback = ['localhost', '127.0.0.1', '[::1]'];

export interface OriginRules {
  hosts: readonly string[];
  origins: readonly string[];
}

/**
 * `base`: the public URL. `listen`: the host that is listened on. `more`: host names of sites whose pages may call too, and
 * "moz-extension://*" and the like.
 */
export function originRules(base: string, listen: string | undefined, more: readonly string[]): OriginRules {
  const own = [new URL(base).hostname, ...(listen === undefined ? [] : [bracketed(listen)]), ...loopback];
  return { hosts: own, origins: [...own, ...more] };
}

/** Throws permission_denied. */
export function checkOrigin({ hosts, origins }: OriginRules, headers: Headers): void {
  const host = validateHostHeader(headers.get('host'), [...hosts]);
  if (!host.ok) {
    throw new TvmError('permission_denied', 'the Host header names another server', {
      reason: 'HostNotAllowed',
      hint: 'Set TVM_PUBLIC_URL to the URL by which clients reach lime-ctrl.',
    });
  }
  if (!validateOriginHeader(headers.get('origin'), [...origins]).ok) {
    throw new TvmError('permission_denied', 'pages of this Origin may not call', {
      reason: 'OriginNotAllowed',
      hint: 'TVM_MCP_ORIGINS names the host names of sites whose pages may.',
    });
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
