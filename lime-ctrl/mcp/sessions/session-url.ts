// The URLs of a session. Invariant: they are made of the public base URL alone, never of what a request says of itself, so
// that the audience of a token cannot be chosen by its bearer.

export const metadataPath = '/.well-known/oauth-protected-resource';

/** The path of a session below the base URL. */
export const sessionPath = (uid: string) => `/sessions/${uid}/mcp`;
/** That of an MCP server inside its machine. */
export const serverPath = (uid: string, server: string) => `/sessions/${uid}/servers/${server}/mcp`;

/** The URL of a session, and the audience of its tokens. `base` is an origin, maybe with a path, without a slash at its end. */
export const sessionUrl = (base: string, uid: string) => `${base}${sessionPath(uid)}`;

/** Where the metadata of a resource is (RFC 9728): the well-known path stands between origin and path. */
export function metadataUrl(resource: string): string {
  const { origin, pathname } = new URL(resource);
  return `${origin}${metadataPath}${pathname}`;
}
