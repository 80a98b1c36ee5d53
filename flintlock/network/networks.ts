// Networks of this node's machines: made before a VM starts or goes on, removed after it. Invariants: a machine's rules stand before
// its link is open; whatever is made carries the machine's id in its name, so that the next flintlock finds what is left over.
import { readFile, writeFile } from 'node:fs/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { VmNetwork } from '../vmm/driver.ts';
import { type AddressPair, chooseBlock, choosePair, pairOfHost } from './address-plan.ts';
import { guestMac, makeLink, namespacePath, openLink, setUpNamespace } from './commands.ts';
import { checkHost, foreignRoutes, hostNameServers, ownLinks, ownNamespaces } from './host.ts';
import { type Block, parseBlock } from './ipv4.ts';
import { type NetworkNames, namesOf, ownerOf, tap } from './names.ts';
import type { NetworkPolicy } from './policy.ts';
import { makeResolver } from './resolver/resolver.ts';
import { serveResolver } from './resolver/server.ts';
import { askUpstream } from './resolver/upstream.ts';
import { joinRules, leaveRules, machineRules, nameElements, nodeRules, withdrawRules } from './rules.ts';
import { networkUnavailable, runTool } from './run-tool.ts';

/** A machine's network as its VM gets it, and the address that its packets have on the node. */
export interface MachineNetwork {
  vm: VmNetwork;
  address: string;
}

export interface Networks extends AsyncDisposable {
  /** Throws `failed_precondition` (NetworkUnavailable) saying what is missing on this node. */
  check(): Promise<void>;
  /** Makes it anew, whatever there was; `bytesPerSecond`: of each direction. Throws as `check`, and `resource_exhausted`. */
  make(machineId: string, policy: NetworkPolicy, bytesPerSecond?: number): Promise<MachineNetwork>;
  /** Of a machine that goes on since before this flintlock: what only flintlock did for it is done again. */
  adopt(machineId: string, policy: NetworkPolicy): Promise<void>;
  /** Nothing of it is left; one that is not there is fine. */
  remove(machineId: string): Promise<void>;
  /** Removes what belongs to no machine of `keep`; gives the names of what it removed. */
  sweep(keep: ReadonlySet<string>): Promise<string[]>;
}

export interface NetworksDeps {
  stateFolder: string;
  /** Where machines have their addresses; undefined: a free part of 100.64.0.0/10. */
  cidr: string | undefined;
  /** Undefined: those of the host. */
  dnsServers: readonly string[] | undefined;
  /** Addresses of the node that flintlock does not have itself, as in a pod: no machine reaches them. */
  nodeAddresses: readonly string[];
  log: Logger;
}

const forwardingFile = '/proc/sys/net/ipv4/ip_forward';

/** Touches nothing of the host before the first machine needs it. */
export function makeNetworks(deps: NetworksDeps): Networks {
  return new HostNetworks(deps);
}

class HostNetworks implements Networks {
  readonly #deps: NetworksDeps;
  readonly #owner: string;
  readonly #pairs = new Map<string, AddressPair>();
  readonly #resolvers = new Map<string, AsyncDisposable>();
  #turn: Promise<unknown> = Promise.resolve();
  #node: Promise<Block> | undefined;

  constructor(deps: NetworksDeps) {
    this.#deps = deps;
    this.#owner = ownerOf(deps.stateFolder);
  }

  check(): Promise<void> {
    return checkHost();
  }

  make(machineId: string, policy: NetworkPolicy, bytesPerSecond?: number): Promise<MachineNetwork> {
    return this.#inTurn(() => this.#make(machineId, policy, bytesPerSecond));
  }

  adopt(machineId: string, policy: NetworkPolicy): Promise<void> {
    return this.#inTurn(async () => {
      await this.#prepareNode();
      const names = namesOf(this.#owner, machineId);
      const pair = this.#pairs.get(names.link);
      if (!pair) throw networkUnavailable(`the network of machine ${machineId} is gone`);
      await this.#resolve(machineId, names, pair, policy);
    });
  }

  remove(machineId: string): Promise<void> {
    return this.#inTurn(() => this.#remove(machineId));
  }

  sweep(keep: ReadonlySet<string>): Promise<string[]> {
    return this.#inTurn(async () => {
      const there = await ownNamespaces(this.#owner);
      if (there.length > 0) await this.#prepareNode();
      const strays = there.filter((id) => !keep.has(id));
      for (const id of strays) await this.#remove(id);
      return strays;
    });
  }

  async #make(machineId: string, policy: NetworkPolicy, bytesPerSecond?: number): Promise<MachineNetwork> {
    await this.#remove(machineId);
    const block = await this.#prepareNode();
    const names = namesOf(this.#owner, machineId);
    const pair = choosePair(machineId, block, new Set([...this.#pairs.values()].map(({ host }) => host)));
    this.#pairs.set(names.link, pair);
    try {
      await this.#nft(joinRules(this.#owner, names.link, pair));
      await runTool('ip', ['-batch', '-'], makeLink(names, pair));
      const rules = machineRules({ policy, pair, block, bytesPerSecond });
      await this.#inNamespace(names, ['sh', '-c', setUpNamespace(pair)], rules);
      await runTool('ip', ['-batch', '-'], openLink(names));
      await this.#resolve(machineId, names, pair, policy);
    } catch (error) {
      await this.#remove(machineId);
      throw error;
    }
    return { vm: { namespace: namespacePath(names.namespace), tap, mac: guestMac }, address: pair.machine };
  }

  async #remove(machineId: string): Promise<void> {
    const names = namesOf(this.#owner, machineId);
    await this.#resolvers.get(machineId)?.[Symbol.asyncDispose]();
    this.#resolvers.delete(machineId);
    const pair = this.#pairs.get(names.link);
    const isThere = (await ownNamespaces(this.#owner)).includes(machineId);
    if (!isThere && !pair) return;
    await this.#removeParts(machineId, names, pair);
    this.#pairs.delete(names.link);
    if (this.#pairs.size > 0) return;
    await this.#nft(withdrawRules(this.#owner));
    this.#node = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resolver of this.#resolvers.values()) await resolver[Symbol.asyncDispose]();
    this.#resolvers.clear();
  }

  /** Once: what all machines share. What failed is tried again by the next. */
  #prepareNode(): Promise<Block> {
    this.#node ??= this.#prepare().catch((error) => {
      this.#node = undefined;
      throw error;
    });
    return this.#node;
  }

  async #prepare(): Promise<Block> {
    await checkHost();
    const owner = this.#owner;
    const block = chooseBlock(owner, await foreignRoutes(owner), this.#deps.cidr);
    for (const [link, host] of await ownLinks(owner)) {
      const pair = host === undefined ? undefined : pairOfHost(host);
      if (pair) this.#pairs.set(link, pair);
    }
    const refused = this.#deps.nodeAddresses.flatMap((address) => parseBlock(address) ?? []);
    await this.#nft(nodeRules(owner, { block, refused, present: this.#pairs }));
    if ((await readFile(forwardingFile, 'utf8')).trim() === '0') {
      this.#deps.log.info('this node forwards packets from now on, as networks of machines need it');
      await writeFile(forwardingFile, '1');
    }
    return block;
  }

  async #resolve(machineId: string, names: NetworkNames, pair: AddressPair, policy: NetworkPolicy): Promise<void> {
    const { dnsServers } = this.#deps;
    const grant = async (rule: number, addresses: readonly string[], seconds: number) => {
      await this.#inNamespace(names, ['nft', '-f', '-'], nameElements(rule, addresses, seconds));
    };
    const log = this.#deps.log.child({ machine: machineId });
    const servers = async () => dnsServers ?? (await hostNameServers());
    const resolver = makeResolver({ policy, servers, ask: askUpstream, grant, now: () => performance.now(), log });
    try {
      this.#resolvers.set(machineId, await serveResolver(pair.host, resolver));
    } catch (cause) {
      throw networkUnavailable(
        `the resolver of machine ${machineId} cannot listen: ${TvmError.from(cause).message}`,
        cause,
      );
    }
  }

  async #removeParts(
    machineId: string,
    { namespace, link }: NetworkNames,
    pair: AddressPair | undefined,
  ): Promise<void> {
    if ((await ownLinks(this.#owner)).has(link)) await runTool('ip', ['link', 'delete', link]);
    if ((await ownNamespaces(this.#owner)).includes(machineId)) await runTool('ip', ['netns', 'delete', namespace]);
    if (pair) await this.#nft(leaveRules(this.#owner, link, pair));
  }

  /** One change of the host after the other. */
  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(operation);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #nft(commands: string): Promise<void> {
    await runTool('nft', ['-f', '-'], commands);
  }

  async #inNamespace({ namespace }: NetworkNames, command: string[], input: string): Promise<void> {
    await runTool('nsenter', [`--net=${namespacePath(namespace)}`, '--', ...command], input);
  }
}
