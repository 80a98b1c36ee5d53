// Which headers go into a machine and come out of it (pure). Invariants: the guest sees no credentials of its caller and nothing
// that is about one connection alone; what it answers can neither act as a page of this server nor change how a browser
// treats it.
import { validateHeaderValue } from 'node:http';

/** About one connection: not to be passed on (RFC 9110, 7.6.1). */
export const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** The caller's business with this server. Origin and Referer name it, and the referrer a URL that is a secret. */
const callersOwn = ['authorization', 'cookie', 'host', 'origin', 'referer', 'expect', 'tvm-namespace', 'forwarded'];
const callersOwnPrefixes = ['x-forwarded-', 'sec-fetch-'];

/** What holds for a whole origin, which is this server's and not the guest's, or asks its user for credentials. */
const originWide = [
  'set-cookie',
  'clear-site-data',
  'strict-transport-security',
  'public-key-pins',
  'expect-ct',
  'alt-svc',
  'nel',
  'report-to',
  'reporting-endpoints',
  'accept-ch',
  'critical-ch',
  'origin-agent-cluster',
  'origin-trial',
  'service-worker-allowed',
  'speculation-rules',
  'www-authenticate',
  'x-request-id',
];
/** What this server says in the place of the guest. A Content-Security-Policy of the guest's only forbids more. */
const overridden = [
  'x-content-type-options',
  'referrer-policy',
  'cache-control',
  'expires',
  'pragma',
  'cross-origin-resource-policy',
];
const corsPrefix = 'access-control-';

/** A page from a machine may run scripts and show forms, in an origin of its own: it reaches nothing of this server's. */
const sandbox = 'sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads';

export type HeaderPairs = [name: string, value: string][];

/** Node's raw headers as pairs. */
export function pairsOf(raw: readonly string[]): HeaderPairs {
  return Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at] ?? '', raw[2 * at + 1] ?? '']);
}

export interface AskRules {
  port: number;
  /** Without a body there is no length of one either, whatever the caller said. */
  hasBody?: boolean;
  upgrade?: boolean | undefined;
}

/** For the server in the machine, which believes to be called at localhost. */
export function headersToGuest(
  given: HeaderPairs,
  { port, hasBody = false, upgrade = false }: AskRules,
): Record<string, string[]> {
  const dropped = new Set([...hopByHop, ...callersOwn, ...namedByConnection(given)]);
  const passed: Record<string, string[]> = Object.create(null);
  for (const [name, value] of given) {
    const lower = name.toLowerCase();
    const isOwn = callersOwnPrefixes.some((prefix) => lower.startsWith(prefix));
    if (!dropped.has(lower) && !isOwn) passed[lower] = [...(passed[lower] ?? []), value];
  }
  if (!hasBody) delete passed['content-length'];
  const framing = hasBody && !passed['content-length'] ? { 'transfer-encoding': ['chunked'] } : {};
  const connection = upgrade ? { connection: ['Upgrade'], upgrade: ['websocket'] } : { connection: ['close'] };
  return { ...passed, ...framing, host: [`localhost:${port}`], ...connection };
}

export interface AnswerRules {
  port: number;
  /** Path of this server below which the guest's paths are, without a slash at the end. */
  prefix: string;
  /** The guest's path that was asked for, with its query. */
  path: string;
  /** Whoever has the URL may call, pages of an origin of their own too. */
  anyOrigin: boolean;
}

/** For the caller. A redirect within the guest stays below the prefix. */
export function headersFromGuest(given: HeaderPairs, rules: AnswerRules): HeaderPairs {
  const dropped = new Set([...hopByHop, ...originWide, ...overridden, ...namedByConnection(given)]);
  const passed = given
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(([name, value]) => !dropped.has(name) && !name.startsWith(corsPrefix) && isSendable(name, value))
    .map(([name, value]): [string, string] => [name, name === 'location' ? locationFor(value, rules) : value]);
  return [...passed, ...protections, ...(rules.anyOrigin ? openToAll : [])];
}

const protections: HeaderPairs = [
  ['content-security-policy', sandbox],
  ['x-content-type-options', 'nosniff'],
  // The URL may be a secret.
  ['referrer-policy', 'no-referrer'],
  ['cache-control', 'no-store'],
];

export const openToAll: HeaderPairs = [
  ['access-control-allow-origin', '*'],
  ['access-control-expose-headers', '*'],
];

function namedByConnection(given: HeaderPairs): string[] {
  return given
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((each) => each.trim().toLowerCase()));
}

function isSendable(name: string, value: string): boolean {
  try {
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

function locationFor(value: string, { port, prefix, path }: AnswerRules): string {
  const base = `http://localhost:${port}`;
  if (!URL.canParse(value, base + path)) return value;
  const target = new URL(value, base + path);
  const isGuests = target.protocol === 'http:' && guestHosts.has(target.hostname) && portOf(target) === port;
  return isGuests ? prefix + target.pathname + target.search + target.hash : value;
}

const guestHosts = new Set(['localhost', '127.0.0.1', '0.0.0.0', '[::1]']);
const portOf = ({ port }: URL) => (port === '' ? 80 : Number(port));
