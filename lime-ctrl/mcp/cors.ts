// The headers of every answer of a session, those for pages of allowed sites among them. Pages send no cookies here: their
// token is in a header, so that nothing is allowed that they could not do without a browser.

const exposed = 'mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, x-request-id';
const methods = 'GET, POST, DELETE, OPTIONS';
const maxRequested = 1024;

/** `request`: the headers of a request whose Origin was checked. */
export function withCors(response: Response, request: Headers): Response {
  const headers = new Headers(response.headers);
  headers.set('x-accel-buffering', 'no');
  headers.set('x-content-type-options', 'nosniff');
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
  const origin = request.get('origin');
  if (origin !== null) {
    headers.append('vary', 'origin');
    headers.set('access-control-allow-origin', origin);
    headers.set('access-control-expose-headers', exposed);
    const requested = request.get('access-control-request-headers') ?? '';
    if (requested.length <= maxRequested && /^[\w, -]+$/.test(requested)) {
      headers.set('access-control-allow-headers', requested);
      headers.set('access-control-allow-methods', methods);
      headers.set('access-control-max-age', '600');
    }
  }
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
