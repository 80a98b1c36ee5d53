// What the one-machine service runs: each part's program, environment, and what it says when it serves. Pure.
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { PartName } from './service-file.ts';

/** What a part said when it was ready: url, kubeconfig, address. */
export type ReadyDetails = Record<string, string>;

export interface PartSpec {
  name: PartName;
  /** Arguments of node. */
  argv: string[];
  environment: NodeJS.ProcessEnv;
}

/** What was learnt from the parts that serve. */
export type Learnt = Partial<Record<PartName, ReadyDetails>>;

/** Parts that must serve before the part starts. */
export const needs: Record<PartName, PartName[]> = {
  apiserver: [],
  flintlock: [],
  'lime-ctrl': ['apiserver', 'flintlock'],
};

/**
 * Parts make much that is dead at once. With V8's usual young generation (16 MB, thrice) each grows by 100 MB before that is
 * collected; calls are as fast with less.
 */
const nodeFlags = ['--max-semi-space-size=4'];

export function specOf(name: PartName, config: Config, learnt: Learnt, tokensFile: string): PartSpec {
  return {
    name,
    argv: [...nodeFlags, join(config.source, name, 'main.ts')],
    environment: {
      ...config.environment,
      // Of commands; in a part it would mean the namespace that the part itself is in.
      TVM_NAMESPACE: undefined,
      TVM_HOME: config.home,
      TVM_CACHE_DIR: config.cache,
      ...ownEnvironment(name, config, learnt, tokensFile),
    },
  };
}

function ownEnvironment(name: PartName, config: Config, learnt: Learnt, tokensFile: string): NodeJS.ProcessEnv {
  switch (name) {
    case 'apiserver':
      return { TVM_APISERVER_LISTEN: boundTo(config.listen.apiserver, learnt.apiserver?.url) };
    case 'flintlock':
      return {
        TVM_FLINTLOCK_LISTEN: config.listen.flintlock,
        TVM_NODE_NAME: config.nodeName,
        // These are lime-ctrl's here.
        TVM_METRICS_LISTEN: config.environment.TVM_FLINTLOCK_METRICS_LISTEN,
        TVM_HEALTH_LISTEN: undefined,
      };
    case 'lime-ctrl':
      return {
        KUBECONFIG: learnt.apiserver?.kubeconfig ?? join(config.home, 'apiserver/kubeconfig'),
        TVM_FLINTLOCKS: `${config.nodeName}=${learnt.flintlock?.address ?? config.listen.flintlock}`,
        TVM_LIME_LISTEN: boundTo(config.listen.lime, learnt['lime-ctrl']?.url),
        TVM_METRICS_LISTEN: config.listen.metrics,
        TVM_HEALTH_LISTEN: config.listen.health,
        TVM_TOKENS_FILE: tokensFile,
        // The namespace of commands; to lime-ctrl it would mean that it is one replica of several.
        TVM_NAMESPACE: undefined,
      };
  }
}

/** A part that starts again takes the address that it had, so that nobody has to be told a new one. */
function boundTo(wanted: string, url: string | undefined): string {
  return url && URL.canParse(url) ? new URL(url).host : wanted;
}
