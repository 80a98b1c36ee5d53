// Networks of a node that has none. Invariant: no machine is given less than it asks for.

import type { Networks } from './networks.ts';
import { networkUnavailable } from './run-tool.ts';

export const noNetworks: Networks = {
  check: () => Promise.reject(networkUnavailable('this node has no networks for machines')),
  make: () => Promise.reject(networkUnavailable('this node has no networks for machines')),
  adopt: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  sweep: () => Promise.resolve([]),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
