// The addresses of a cluster with a real node: one 10.N.0.0/16 for each cluster on this machine.
// Invariant: pure; who uses a plan first claims its link name.

export interface AddressPlan {
  /** The host's end of the link to the node, which also claims the plan on this machine. */
  linkName: string;
  hostAddress: string;
  nodeAddress: string;
  podRange: string;
  serviceRange: string;
}

/** `number` is 0 to 31. */
export function planAddresses(number: number): AddressPlan {
  const net = `10.${200 + number}`;
  return {
    linkName: `tvmcluster${number}`,
    hostAddress: `${net}.0.1`,
    nodeAddress: `${net}.0.2`,
    podRange: `${net}.64.0/18`,
    serviceRange: `${net}.128.0/18`,
  };
}

export const planCount = 32;
