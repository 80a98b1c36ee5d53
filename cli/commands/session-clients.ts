// The settings of the usual MCP clients for one session, as each of them wants them. Pure.
import type { SessionToken } from '@tvm/api/rest/sessions.ts';

export interface ClientSettings {
  /** For a person: "Claude Code". */
  title: string;
  /** The file that they go into, or undefined for a command. */
  file?: string;
  /** What to put there or to run. */
  text: string;
}

export const clientNames = ['claude-code', 'claude-desktop', 'cursor', 'vscode', 'codex', 'inspector'] as const;
export type ClientName = (typeof clientNames)[number];

type Settings = (server: string, connection: SessionToken) => ClientSettings;

const settings: Record<ClientName, Settings> = {
  'claude-code': (server, { url, token }) => ({
    title: 'Claude Code',
    text: `claude mcp add --transport http ${server} ${url} --header "Authorization: Bearer ${token}"`,
  }),
  'claude-desktop': (server, { url, token }) => ({
    title: 'Claude Desktop (it starts local programs only; mcp-remote is one, needs npx)',
    file: 'claude_desktop_config.json',
    text: pretty({
      mcpServers: {
        [server]: {
          command: 'npx',
          // A space in an argument is not passed on by all of its versions: the header's value is a variable.
          args: ['-y', 'mcp-remote', url, '--header', `Authorization:\${TVM_AUTHORIZATION}`, ...plainHttp(url)],
          env: { TVM_AUTHORIZATION: `Bearer ${token}` },
        },
      },
    }),
  }),
  cursor: (server, { url, token }) => ({
    title: 'Cursor',
    file: '~/.cursor/mcp.json',
    text: pretty({ mcpServers: { [server]: { url, headers: bearer(token) } } }),
  }),
  vscode: (server, { url, token }) => ({
    title: 'VS Code',
    file: '.vscode/mcp.json',
    text: pretty({ servers: { [server]: { type: 'http', url, headers: bearer(token) } } }),
  }),
  codex: (server, { url, token }) => ({
    title: 'Codex',
    file: '~/.codex/config.toml',
    text: `[mcp_servers.${server}]\nurl = "${url}"\nhttp_headers = { Authorization = "Bearer ${token}" }`,
  }),
  inspector: (_, { url, token }) => ({
    title: 'MCP Inspector',
    text: [
      'npx -y @modelcontextprotocol/inspector --cli',
      url,
      `--transport http --header "Authorization: Bearer ${token}" --method tools/list`,
    ].join(' '),
  }),
};

/** `name` is the session's: the server is called after it. */
export function settingsFor(client: ClientName, name: string, connection: SessionToken): ClientSettings {
  return settings[client](`tvm-${name}`, connection);
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const pretty = (value: unknown) => JSON.stringify(value, null, 2);

/** mcp-remote refuses cleartext to other machines unless it is told. */
function plainHttp(url: string): string[] {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname) ? ['--allow-http'] : [];
}
