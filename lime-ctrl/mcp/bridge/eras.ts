// What differs between the two eras of the protocol, as constants and small functions. Invariant: nothing here keeps state.
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
  PROTOCOL_VERSION_META_KEY,
  SERVER_INFO_META_KEY,
  SUBSCRIPTION_ID_META_KEY,
} from '@modelcontextprotocol/server';
import { type Fields, isFields, metaOf } from './messages.ts';

export type Era = 'legacy' | 'modern';

export const modernVersion = '2026-07-28';
export const legacyVersion = '2025-11-25';
export const legacyVersions = [legacyVersion, '2025-06-18', '2025-03-26', '2024-11-05'];

/** Methods of the legacy era that the modern one has not. */
export const removedMethods = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/list',
  'tasks/result',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
]);

const cacheable = new Set([
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'server/discover',
]);

const envelopeKeys = [
  PROTOCOL_VERSION_META_KEY,
  CLIENT_INFO_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  SUBSCRIPTION_ID_META_KEY,
  SERVER_INFO_META_KEY,
];

/** What a client says of itself: once in the legacy era, with every request in the modern one. */
export interface ClientFacts {
  info: Fields;
  capabilities: Fields;
}

export function envelopeOf({ info, capabilities }: ClientFacts, logLevel?: unknown): Fields {
  return {
    [PROTOCOL_VERSION_META_KEY]: modernVersion,
    [CLIENT_INFO_META_KEY]: info,
    [CLIENT_CAPABILITIES_META_KEY]: capabilities,
    ...(logLevel !== undefined && { [LOG_LEVEL_META_KEY]: logLevel }),
  };
}

export function clientOf(params: Fields | undefined): ClientFacts {
  const meta = metaOf(params);
  const info = meta[CLIENT_INFO_META_KEY];
  const capabilities = meta[CLIENT_CAPABILITIES_META_KEY];
  return {
    info: isFields(info) ? info : { name: 'unnamed', version: '0' },
    capabilities: isFields(capabilities) ? capabilities : {},
  };
}

/** Without what only the modern era puts into `_meta`. */
export function withoutEnvelope(fields: Fields): Fields {
  if (!isFields(fields._meta)) return fields;
  const { _meta, ...rest } = fields;
  const kept = Object.entries(metaOf(fields)).filter(([key]) => !envelopeKeys.includes(key));
  return kept.length === 0 ? rest : { ...rest, _meta: Object.fromEntries(kept) };
}

export function toLegacyResult(result: Fields): Fields {
  const { resultType: _type, ttlMs: _ttl, cacheScope: _scope, ...rest } = withoutEnvelope(result);
  return rest;
}

export function toModernResult(method: string, result: Fields, serverInfo: Fields): Fields {
  return {
    resultType: 'complete',
    ...(cacheable.has(method) && { ttlMs: 0, cacheScope: 'private' }),
    ...result,
    _meta: { ...metaOf(result), [SERVER_INFO_META_KEY]: serverInfo },
  };
}

export function serverInfoOf(discovered: Fields): Fields {
  const info = metaOf(discovered)[SERVER_INFO_META_KEY];
  return isFields(info) ? info : { name: 'unnamed', version: '0' };
}

export const capabilitiesOf = (hello: Fields): Record<string, Fields> =>
  isFields(hello.capabilities) ? (hello.capabilities as Record<string, Fields>) : {};

/** Which changes a server can tell of, as the filter of a subscription. */
export function changesOf(hello: Fields): Fields {
  const { tools, prompts, resources } = capabilitiesOf(hello);
  return {
    ...(tools?.listChanged === true && { toolsListChanged: true }),
    ...(prompts?.listChanged === true && { promptsListChanged: true }),
    ...(resources?.listChanged === true && { resourcesListChanged: true }),
  };
}
