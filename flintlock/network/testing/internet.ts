// An internet of a test: a network namespace with servers, to which the host has routes. Invariant: nothing of it is left, and the
// host forwards packets afterwards only if it did before.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runTool } from '../run-tool.ts';
import type { Zone } from './internet-servers.ts';

/** Addresses for documentation: no host has them. */
export const addresses = {
  host: '198.51.100.1',
  dns: '198.51.100.53',
  web: '198.51.100.110',
  other: '198.51.100.120',
  moved: '198.51.100.130',
  private: '10.254.253.9',
  metadata: '169.254.169.254',
} as const;

const routed = ['10.254.253.0/24', '169.254.169.254/32'];
const servers = fileURLToPath(new URL('internet-servers.ts', import.meta.url));
const forwardingFile = '/proc/sys/net/ipv4/ip_forward';

export class Internet implements AsyncDisposable {
  readonly #name: string;
  readonly #forwarding: string;
  readonly #process: ChildProcess;

  private constructor(name: string, forwarding: string, process: ChildProcess) {
    this.#name = name;
    this.#forwarding = forwarding;
    this.#process = process;
  }

  static async open(): Promise<Internet> {
    const name = `tvmtest${process.pid}`;
    const forwarding = await readFile(forwardingFile, 'utf8');
    const { host, dns, ...others } = addresses;
    await runTool(
      'ip',
      ['-batch', '-'],
      `netns add ${name}
link add ${name} type veth peer name world netns ${name}
address add ${host}/24 dev ${name}
link set ${name} up
${routed.map((block) => `route add ${block} via ${dns} dev ${name} onlink`).join('\n')}
`,
    );
    const inside = [`address add ${dns}/24 dev world`, 'link set world up', 'link set lo up'];
    const rest = [
      ...Object.values(others).map((address) => `address add ${address}/32 dev lo`),
      `route add default via ${host}`,
    ];
    await runTool('ip', ['-n', name, '-batch', '-'], `${[...inside, ...rest].join('\n')}\n`);
    const execArgv = [`--net=/run/netns/${name}`, '--', process.execPath];
    const child = fork(servers, [dns], { execPath: '/usr/bin/nsenter', execArgv });
    await once(child, 'message');
    return new Internet(name, forwarding, child);
  }

  /** What its DNS server says from now on. */
  async publish(zone: Zone): Promise<void> {
    await this.#ask({ zone });
  }

  /** Names that its DNS server was asked for. */
  async asked(): Promise<string[]> {
    const { asked } = await this.#ask({ what: 'asked' });
    return asked;
  }

  async #ask(message: object): Promise<{ asked: string[] }> {
    const answer = once(this.#process, 'message');
    this.#process.send(message);
    const [told] = await answer;
    return told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.disconnect();
    await once(this.#process, 'exit');
    await runTool('ip', ['link', 'delete', this.#name]);
    await runTool('ip', ['netns', 'delete', this.#name]);
    await writeFile(forwardingFile, this.#forwarding);
  }
}
