// What the host has: the tools for networks, its routes, and what a flintlock made before. Reads only.
import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { systemFolders } from '../system-path.ts';
import { type Block, parseBlock } from './ipv4.ts';
import { linkPrefix, namespaceFolder, namespacePrefix } from './names.ts';
import { networkUnavailable, runTool } from './run-tool.ts';

const tools = { ip: 'iproute2', nft: 'nftables', nsenter: 'util-linux', perl: 'perl-base' };

/** Throws `failed_precondition` (NetworkUnavailable) that names all that is missing. */
export async function checkHost(): Promise<void> {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('root');
  for (const [tool, packageName] of Object.entries(tools)) {
    if (!(await isInstalled(tool))) missing.push(`${tool} (package ${packageName})`);
  }
  if (!(await isThere('/dev/net/tun'))) missing.push('/dev/net/tun');
  if (missing.length === 0) return;
  throw networkUnavailable(`this node has no networks for machines: ${missing.join(', ')} is missing`);
}

async function isInstalled(tool: string): Promise<boolean> {
  for (const folder of systemFolders) if (await isThere(join(folder, tool), constants.X_OK)) return true;
  return false;
}

async function isThere(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return await access(path, mode).then(
    () => true,
    () => false,
  );
}

const routes = z.array(z.object({ dst: z.string(), dev: z.string().optional() }));

/** Blocks that the host has routes to, but for the links of this flintlock. */
export async function foreignRoutes(owner: string): Promise<Block[]> {
  const found = routes.parse(JSON.parse((await runTool('ip', ['-j', '-4', 'route', 'show', 'table', 'all'])) || '[]'));
  const others = found.filter(({ dev = '' }) => !dev.startsWith(linkPrefix(owner)));
  return others.flatMap(({ dst }) => (dst === 'default' ? [] : (parseBlock(dst) ?? [])));
}

const links = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string().optional() })).optional(),
  }),
);

/** Links of this flintlock's machines, each with its address on the host; one that is half-made has none. */
export async function ownLinks(owner: string): Promise<Map<string, string | undefined>> {
  const found = links.parse(JSON.parse((await runTool('ip', ['-j', '-4', 'address', 'show'])) || '[]'));
  const all = await readdir('/sys/class/net');
  const names = all.filter((name) => name.startsWith(linkPrefix(owner)));
  return new Map(names.map((name) => [name, found.find(({ ifname }) => ifname === name)?.addr_info?.[0]?.local]));
}

/** Ids of machines that have a network namespace of this flintlock's. */
export async function ownNamespaces(owner: string): Promise<string[]> {
  const prefix = namespacePrefix(owner);
  const names = await readdir(namespaceFolder).catch(() => []);
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

const resolvConf = '/etc/resolv.conf';

/** Name servers that the host itself uses. */
export async function hostNameServers(): Promise<string[]> {
  const text = await readFile(resolvConf, 'utf8').catch(() => '');
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server ?? '');
}
