// The WebSocket of /v1/microvms/{name}/tunnels/{port}?namespace=…: a TCP connection to a port inside a machine. Subprotocol
// `tunnel.v1.tvm`, bearer token in the Authorization header. Binary messages are bytes; an empty one ends its direction, and
// when both have ended the socket is closed with 1000. A connection that broke is closed with 1011.
// Back-pressure is TCP's: a side that does not read stops the other.

export const tunnelSubprotocol = 'tunnel.v1.tvm';

/** What a peer sends may be in larger pieces than it was written in, not larger than this. */
export const maxTunnelMessageBytes = 1_048_576;

export const tunnelCloseCodes = { done: 1000, broken: 1011 } as const;
