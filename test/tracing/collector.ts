// Takes spans as an OpenTelemetry collector does: OTLP over HTTP, as JSON.
import { createServer } from 'node:http';
import { listen } from '@tvm/kit/listen.ts';
import { closeServer } from '@tvm/kit/metrics.ts';

export interface ReceivedSpan {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  failed: boolean;
  attributes: Record<string, unknown>;
}

export interface Collector extends AsyncDisposable {
  url: string;
  spans: ReceivedSpan[];
  /** All that was sent, as it was sent. */
  raw(): string;
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

interface Sent {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: {
      spans: {
        name: string;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        status?: { code?: number };
        attributes?: Attribute[];
      }[];
    }[];
  }[];
}

export async function startCollector(): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts).toString();
    bodies.push(body);
    spans.push(...spansOf(JSON.parse(body) as Sent));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  return { url, spans, raw: () => bodies.join('\n'), [Symbol.asyncDispose]: () => closeServer(server) };
}

function spansOf({ resourceSpans }: Sent): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, traceId, spanId, parentSpanId = '', status, attributes = [] }) => {
        const failed = status?.code === 2;
        return { service, name, traceId, spanId, parentSpanId, failed, attributes: valuesOf(attributes) };
      }),
    );
  });
}

function valuesOf(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
