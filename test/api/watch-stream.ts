// One watch request: its events, one JSON object a line, waited for one by one.
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { ApiClient, ApiObject, ApiRequest } from '../api-client.ts';

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: ApiObject;
}

export class WatchStream implements Disposable {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly #response: IncomingMessage;
  readonly #lines: AsyncIterator<string>;

  private constructor(response: IncomingMessage) {
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    this.#response = response;
    this.#lines = createInterface({ input: response })[Symbol.asyncIterator]();
  }

  /** Opens a watch of a collection; it ends by itself after 30 s unless the query says otherwise. */
  static async open(
    api: ApiClient,
    path: string,
    query: ApiRequest['query'] = {},
    options: ApiRequest = {},
  ): Promise<WatchStream> {
    const all = { watch: 1, timeoutSeconds: 30, ...query };
    return new WatchStream(await api.open(path, { query: all, ...options }));
  }

  /** The next event; undefined when the server ended the stream. */
  async next(): Promise<WatchEvent | undefined> {
    const line = await this.#lines.next();
    return line.done ? undefined : (JSON.parse(line.value) as WatchEvent);
  }

  /** The next `count` events as `TYPE name`. */
  async take(count: number): Promise<string[]> {
    const seen: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const event = await this.next();
      seen.push(event ? `${event.type} ${event.object.metadata?.name ?? ''}`.trim() : 'END');
    }
    return seen;
  }

  [Symbol.dispose](): void {
    this.#response.destroy();
  }
}
