// Loaded by node before a program that cannot send an Authorization header: adds it to every request to one origin.
// Invariant: requests to other origins are sent as they are.
import http from 'node:http';
import { createRequire } from 'node:module';
import type * as Undici from 'undici';

const { TVM_TEST_ORIGIN: origin = '', TVM_TEST_TOKEN: token = '' } = process.env;
const authorization = `Bearer ${token}`;
// The copy that the suite itself uses: each has a dispatcher of its own.
const suite = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json');
const { Agent, setGlobalDispatcher } = createRequire(suite)('undici') as typeof Undici;

setGlobalDispatcher(
  new Agent().compose((dispatch) => (options, handler) => {
    if (String(options.origin) !== origin) return dispatch(options, handler);
    const { headers } = options;
    if (Array.isArray(headers))
      return dispatch({ ...options, headers: [...headers, 'authorization', authorization] }, handler);
    const named = headers && Symbol.iterator in headers ? Object.fromEntries(headers) : headers;
    return dispatch({ ...options, headers: { ...named, authorization } }, handler);
  }),
);

const send = http.request;
const authorized = (...args: unknown[]) => {
  const [options, ...rest] = args as [http.RequestOptions, ...never[]];
  if (`http://${options.hostname}:${options.port}` !== origin) return send(options, ...rest);
  return send({ ...options, headers: { ...(options.headers as http.OutgoingHttpHeaders), authorization } }, ...rest);
};
http.request = authorized as typeof send;
