// An endpoint: its place, its schemas, its handler. Invariants: what /openapi.json says is what is checked, because both
// come from the same schemas; the namespace that a handler gets is the one that its caller was allowed.
import type { HttpBindings } from '@hono/node-server';
import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import { bodyTooLarge } from '@tvm/api/rest/problem.ts';
import { problem } from '@tvm/api/rest/stream.ts';
import type { Context } from 'hono';
import type { Access, Caller } from '../access/access.ts';
import { nameOfRule, questionsOf, type Rule, rulesOf } from '../access/route-rules.ts';

export interface AppEnv {
  Bindings: HttpBindings;
  Variables: { requestId: string; caller: Caller; access: Access };
}
export type App = OpenAPIHono<AppEnv>;

/** JSON may take six bytes for one of the text in it. */
const maxBodyBytes = 8_388_608;
/** A client that still sends when it is refused may lose the answer with its connection: so much is read, and thrown away. */
const mostReadBytes = 4 * maxBodyBytes;

export interface Call<Params, Query, Body> {
  /** Where the caller may do this; empty: in all of them. */
  namespace: string;
  params: Params;
  query: Query;
  body: Body;
  context: Context<AppEnv>;
  /** Aborts when the client goes away. */
  gone: AbortSignal;
}

export interface Endpoint<Params, Query, Body> {
  method: 'get' | 'post' | 'put' | 'delete';
  /** As OpenAPI writes it: /v1/microvms/{name}. */
  path: string;
  summary: string;
  /** With Accept: text/event-stream it is a watch. */
  watchable?: boolean;
  params?: z.ZodType<Params>;
  query?: z.ZodType<Query>;
  /** The JSON body. None: the handler reads the raw one, if any. */
  body?: z.ZodType<Body>;
  /** Content type and schema of the success. */
  answers: { status: number; description: string; content?: Record<string, z.ZodType> };
  handle: (call: Call<Params, Query, Body>) => Promise<Response> | Response;
}

/** Throws when no rule says what the endpoint asks of its callers. */
export function addEndpoint<Params, Query, Body>(app: App, endpoint: Endpoint<Params, Query, Body>): void {
  const method = endpoint.method.toUpperCase();
  const rules = rulesOf(`${method} ${endpoint.path}`);
  const watchRules = endpoint.watchable ? rulesOf(`WATCH ${endpoint.path}`) : rules;
  app.openAPIRegistry.registerPath(routeOf(endpoint, rules, watchRules));
  app.on(method, endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (context) => {
    const params = check(endpoint.params ?? noFields, context.req.param(), 'path') as Params;
    const query = check(endpoint.query ?? noFields, context.req.query(), 'query') as Query;
    const body = (endpoint.body && check(endpoint.body, await readJson(context), 'body')) as Body;
    const namespace = namespaceOf(query ?? {}, body ?? {});
    await authorize(context, isEventStream(context) ? watchRules : rules, { namespace, ...params });
    return endpoint.handle({ namespace, params, query, body, context, gone: goneSignal(context) });
  });
}

/** Describes what is served otherwise. `operation` is its entry in route-rules.ts. */
export function describeRoute(
  app: App,
  route: Omit<Endpoint<unknown, unknown, unknown>, 'handle'>,
  operation: string,
): void {
  const rules = rulesOf(operation);
  app.openAPIRegistry.registerPath(routeOf(route, rules, rules));
}

const noFields = z.strictObject({}) as z.ZodType;

export function isEventStream({ req }: Context<AppEnv>): boolean {
  return req.header('accept')?.includes('text/event-stream') ?? false;
}

type About = { namespace: string; name?: string };

async function authorize(context: Context<AppEnv>, rules: readonly Rule[], about: About): Promise<void> {
  await context.get('access').authorize(context.get('caller'), questionsOf(rules, about));
}

/** Where a request is about: its query says it, or its body; empty: everywhere. Throws when they disagree. */
export function namespaceOf(
  query: { namespace?: string | undefined; allNamespaces?: string | undefined },
  body: { namespace?: string | undefined },
): string {
  if (query.allNamespaces === 'true') return '';
  if (query.namespace !== undefined && body.namespace !== undefined && query.namespace !== body.namespace) {
    const said = `the query says namespace ${query.namespace}, the body ${body.namespace}`;
    throw new TvmError('invalid_argument', said, { reason: 'InvalidRequest' });
  }
  return query.namespace ?? body.namespace ?? defaultNamespace;
}

export const defaultNamespace = 'default';

function routeOf<Params, Query, Body>(
  endpoint: Omit<Endpoint<Params, Query, Body>, 'handle'>,
  rules: readonly Rule[],
  watchRules: readonly Rule[],
): RouteConfig {
  const { status, description, content = {} } = endpoint.answers;
  return {
    method: endpoint.method,
    path: endpoint.path,
    summary: endpoint.summary,
    description: needs(rules) + (endpoint.watchable ? ` A watch ${needs(watchRules).toLowerCase()}` : ''),
    security: [{ bearer: [] }],
    request: {
      ...(endpoint.params && { params: endpoint.params as unknown as z.ZodObject }),
      ...(endpoint.query && { query: endpoint.query as unknown as z.ZodObject }),
      ...(endpoint.body && { body: { required: true, content: { 'application/json': { schema: endpoint.body } } } }),
    },
    responses: {
      [status]: {
        description,
        content: Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }])),
      },
      default: { description: 'What went wrong.', content: { 'application/problem+json': { schema: problem } } },
    },
  };
}

function needs(rules: readonly Rule[]): string {
  return `Needs ${rules.map(nameOfRule).join(', ')}.`;
}

/** Throws invalid_argument that names each wrong field and, for unknown ones, the known ones. */
export function check<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${[where, ...path].join('.')}: ${message}`);
  const unknown = parsed.error.issues.some(({ code }) => code === 'unrecognized_keys');
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape).join(', ') : undefined;
  throw new TvmError('invalid_argument', issues.join('; '), {
    reason: 'InvalidRequest',
    ...(unknown && known && { hint: `Known fields of ${where}: ${known}.` }),
  });
}

async function readJson(context: Context<AppEnv>): Promise<unknown> {
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/json(;|$)/i.test(type)) {
    throw new TvmError('invalid_argument', `content-type is "${type}"`, {
      hint: 'Send content-type: application/json.',
    });
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of context.req.raw.body ?? []) {
    size += chunk.length;
    if (size > mostReadBytes) break;
    if (size <= maxBodyBytes) chunks.push(chunk);
  }
  if (size > maxBodyBytes) {
    throw new TvmError('invalid_argument', `the body has more than ${maxBodyBytes} bytes`, { reason: bodyTooLarge });
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new TvmError('invalid_argument', 'the body is no JSON', { cause: error });
  }
}

/** Aborts when the client goes away before all was answered. */
export function goneSignal({ env }: Context<AppEnv>): AbortSignal {
  const gone = new AbortController();
  const { outgoing } = env;
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  return gone.signal;
}
