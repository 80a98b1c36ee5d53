// A refusal of a whole HTTP request, as JSON-RPC says it.
export function rpcErrorResponse(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
}
