// Answers to GET /api, /apis and what is below them up to a version.
import type { Discovery } from '../discovery/discovery.ts';
import { discoveryVersion } from './accept.ts';
import { answerJson, type Exchange } from './exchange.ts';

/** Answers and returns true when the path is one of discovery. */
export function handleDiscovery(discovery: Discovery, exchange: Exchange): boolean {
  const path = exchange.path.replace(/\/$/, '');
  const parts = path.split('/').slice(1);
  if (path === '/api' || path === '/apis') {
    answerRoot(discovery, exchange, path === '/api');
    return true;
  }
  const document = documentAt(discovery, parts);
  if (!document) return false;
  answerJson(exchange, 200, document);
  return true;
}

function answerRoot(discovery: Discovery, exchange: Exchange, core: boolean): void {
  const version = discoveryVersion(exchange.request.headers.accept);
  exchange.response.setHeader('Vary', 'Accept');
  if (version) {
    const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    answerJson(exchange, 200, discovery.aggregated(core, version), type);
    return;
  }
  const { localAddress, localPort } = exchange.request.socket;
  answerJson(exchange, 200, core ? discovery.coreVersions(`${localAddress}:${localPort}`) : discovery.groupList());
}

function documentAt(discovery: Discovery, parts: string[]): object | undefined {
  const [root, first = '', second = ''] = parts;
  if (root === 'api' && parts.length === 2) return discovery.resourceList('', first);
  if (root !== 'apis') return undefined;
  if (parts.length === 2) return discovery.group(first);
  return parts.length === 3 ? discovery.resourceList(first, second) : undefined;
}
