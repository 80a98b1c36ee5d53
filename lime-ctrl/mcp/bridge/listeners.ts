// Subscriptions of clients of 2026-07-28 to the changes of a server of 2025-11-25, which tells all of them to everybody.
// Invariant: a subscription hears what it asked for and the server can tell, each time with its own id, and nothing else.
import { SUBSCRIPTION_ID_META_KEY } from '@modelcontextprotocol/server';
import { capabilitiesOf, changesOf } from './eras.ts';
import { type Fields, isFields, type MessageId, metaOf, notificationOf, type RpcNotification } from './messages.ts';

const fieldOf: Record<string, string> = {
  'notifications/tools/list_changed': 'toolsListChanged',
  'notifications/prompts/list_changed': 'promptsListChanged',
  'notifications/resources/list_changed': 'resourcesListChanged',
};

export interface Listeners {
  /** What to tell the client first, and which resources are to be watched from now on. Undefined for an unsound filter. */
  add(id: MessageId, filter: unknown): { acknowledged: RpcNotification; watch: string[] } | undefined;
  /** The resources that nobody watches any more; undefined when there is no such subscription. */
  remove(id: MessageId): string[] | undefined;
  isChange(method: string): boolean;
  /** One notification for each subscription that asked for this. */
  fanOut(notification: RpcNotification): RpcNotification[];
}

export function makeListeners(initialized: Fields): Listeners {
  const filters = new Map<MessageId, Fields>();
  const possible = changesOf(initialized);
  const canSubscribe = capabilitiesOf(initialized).resources?.subscribe === true;

  const urisOf = (filter: Fields) => (filter.resourceSubscriptions ?? []) as string[];
  const isWatched = (uri: string) => [...filters.values()].some((filter) => urisOf(filter).includes(uri));

  function honoured(filter: Fields): Fields {
    const kept = Object.keys(possible).filter((field) => filter[field] === true);
    const uris = filter.resourceSubscriptions;
    const strings = Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [];
    return {
      ...Object.fromEntries(kept.map((field) => [field, true])),
      ...(canSubscribe && strings.length > 0 && { resourceSubscriptions: strings }),
    };
  }

  const wants = (filter: Fields, { method, params }: RpcNotification) =>
    method === 'notifications/resources/updated'
      ? urisOf(filter).includes(String(params?.uri))
      : filter[fieldOf[method] ?? ''] === true;

  return {
    add(id, filter) {
      if (!isFields(filter)) return undefined;
      const kept = honoured(filter);
      const watch = urisOf(kept).filter((uri) => !isWatched(uri));
      filters.set(id, kept);
      const params = { notifications: kept, _meta: { [SUBSCRIPTION_ID_META_KEY]: id } };
      return { acknowledged: notificationOf('notifications/subscriptions/acknowledged', params), watch };
    },
    remove(id) {
      const filter = filters.get(id);
      if (!filter) return undefined;
      filters.delete(id);
      return urisOf(filter).filter((uri) => !isWatched(uri));
    },
    isChange: (method) => method === 'notifications/resources/updated' || Object.hasOwn(fieldOf, method),
    fanOut(notification) {
      return [...filters]
        .filter(([, filter]) => wants(filter, notification))
        .map(([id]) => {
          const _meta = { ...metaOf(notification.params), [SUBSCRIPTION_ID_META_KEY]: id };
          return notificationOf(notification.method, { ...notification.params, _meta });
        });
    },
  };
}
