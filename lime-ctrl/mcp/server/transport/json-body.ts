// The body of a request to an MCP endpoint: read once, and only so far.
import { isJsonContentType, readRequestBody } from '@modelcontextprotocol/server';
import { rpcErrorResponse } from './rpc-error.ts';

/** A file of 2 MiB in base64, and what stands around it. */
const maxBodyBytes = 4_194_304;

/** The body of a POST, undefined where there is none, or what to answer when it is unsound. */
export async function readJson(request: Request): Promise<unknown> {
  if (request.method !== 'POST') return undefined;
  if (!isJsonContentType(request.headers.get('content-type'))) {
    return rpcErrorResponse(415, -32000, 'Unsupported Media Type: send content-type: application/json');
  }
  const body = await readRequestBody(request, maxBodyBytes);
  if (body.tooLarge) return rpcErrorResponse(413, -32000, `the body has more than ${maxBodyBytes} bytes`);
  try {
    return JSON.parse(body.text);
  } catch {
    return rpcErrorResponse(400, -32700, 'Parse error: the body is not JSON');
  }
}
