import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { headersFromGuest, headersToGuest } from './headers.ts';

const rules = { port: 8000, prefix: '/ports/x', path: '/dir/page?q=1', anyOrigin: true };

test('a guest sees no credentials of its caller, and nothing that is about the connection', () => {
  const secret = 'a-secret';
  const given: [string, string][] = [
    ['Authorization', `Bearer ${secret}`],
    ['COOKIE', `token=${secret}`],
    ['Proxy-Authorization', secret],
    ['Referer', `https://host/ports/${secret}/`],
    ['Origin', 'https://host'],
    ['Connection', 'close, X-Own'],
    ['X-Own', secret],
    ['Transfer-Encoding', 'chunked'],
    ['Upgrade', 'h2c'],
    ['X-Forwarded-For', '10.0.0.1'],
    ['Tvm-Namespace', 'a'],
    ['Host', 'tvm.example.com'],
    ['Accept', 'text/html'],
    ['X-Twice', '1'],
    ['x-twice', '2'],
  ];
  const passed = headersToGuest(given, { port: 8000 });
  assert.ok(!JSON.stringify(passed).includes(secret));
  assert.deepEqual(
    { ...passed },
    { accept: ['text/html'], 'x-twice': ['1', '2'], host: ['localhost:8000'], connection: ['close'] },
  );
  const upgrade = headersToGuest([['Sec-WebSocket-Key', 'k']], { port: 80, upgrade: true });
  assert.deepEqual(
    [upgrade.connection, upgrade.upgrade, upgrade['sec-websocket-key']],
    [['Upgrade'], ['websocket'], ['k']],
  );
});

test('a body has a length or is chunked, no body has neither', () => {
  const length: [string, string][] = [['Content-Length', '5']];
  const framing = (given: [string, string][], hasBody: boolean) => {
    const { 'content-length': contentLength, 'transfer-encoding': encoding } = headersToGuest(given, {
      port: 1,
      hasBody,
    });
    return [contentLength?.[0], encoding?.[0]];
  };
  assert.deepEqual(framing(length, true), ['5', undefined]);
  assert.deepEqual(framing([], true), [undefined, 'chunked']);
  assert.deepEqual(framing(length, false), [undefined, undefined]);
});

test('what a guest answers cannot act for this server', () => {
  const hostile: [string, string][] = [
    ['Set-Cookie', 'token=stolen'],
    ['Clear-Site-Data', '"*"'],
    ['Strict-Transport-Security', 'max-age=1'],
    ['Access-Control-Allow-Origin', 'https://evil.example'],
    ['Access-Control-Allow-Credentials', 'true'],
    ['Service-Worker-Allowed', '/'],
    ['NEL', '{}'],
    ['WWW-Authenticate', 'Basic realm="tvm"'],
    ['Referrer-Policy', 'unsafe-url'],
    ['X-Content-Type-Options', 'none'],
    ['Cache-Control', 'public, max-age=99'],
    ['Connection', 'X-Hop'],
    ['X-Hop', '1'],
    ['Content-Type', 'text/html'],
    ['Content-Security-Policy', "default-src 'self'"],
  ];
  const headers = new Headers(headersFromGuest(hostile, rules));
  assert.equal(
    headers.get('content-security-policy'),
    "default-src 'self', sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads",
  );
  headers.delete('content-security-policy');
  assert.deepEqual(Object.fromEntries(headers), {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': '*',
    'cache-control': 'no-store',
    'content-type': 'text/html',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  const closed = new Headers(headersFromGuest(hostile, { ...rules, anyOrigin: false }));
  assert.equal(closed.get('access-control-allow-origin'), null);
});

test('a redirect of the guest to itself stays below the prefix, any other is left', () => {
  const location = (value: string) => new Headers(headersFromGuest([['Location', value]], rules)).get('location');
  assert.equal(location('/login?next=%2F'), '/ports/x/login?next=%2F');
  assert.equal(location('other'), '/ports/x/dir/other');
  assert.equal(location('http://localhost:8000/a#b'), '/ports/x/a#b');
  assert.equal(location('http://127.0.0.1:8000/'), '/ports/x/');
  assert.equal(location('http://localhost:9000/'), 'http://localhost:9000/');
  assert.equal(location('https://example.com/x'), 'https://example.com/x');
  assert.equal(location('http://['), 'http://[');
});

test('whatever a guest answers becomes headers that can be sent, and the protections last', () => {
  const name = fc.stringMatching(/^[A-Za-z-]{1,20}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.string({ unit: 'binary' }))), (given) => {
      const headers = new Headers(headersFromGuest(given, rules));
      assert.match(headers.get('content-security-policy') ?? '', /sandbox allow-scripts[^,]*$/);
      assert.equal(headers.get('set-cookie'), null);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
    }),
    { numRuns: 30 },
  );
});
