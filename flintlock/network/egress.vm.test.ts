// Real machines and what they reach of an internet of the test's own; docs/networks.md lists what is tried here.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { MachineState, type NetworkPolicySchema } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type Daemon, startDaemon } from '../testing/daemon.ts';
import { untilState } from '../testing/flintlock-harness.ts';
import { namespacePrefix, ownerOf } from './names.ts';
import { resolverPort } from './rules.ts';
import { runTool } from './run-tool.ts';
import { attempt } from './testing/guest-attempts.ts';
import { addresses, Internet } from './testing/internet.ts';

type Policy = MessageInitShape<typeof NetworkPolicySchema>;

const image = 'tvm/python';
const { web, other, moved, host, dns, metadata } = addresses;
const [hostPort, changeNoticedMs] = [8080, 25_000];
const restricted: Policy = {
  egress: 'restricted',
  allow: [
    { domain: 'allowed.example.com', ports: [80] },
    { domain: '*.cdn.example.com' },
    { cidr: `${addresses.private}/32`, ports: [80] },
  ],
};

let internet: Internet;
let daemon: Daemon;
let onHost: Server;

before(async () => {
  daemon = await startDaemon(image, {
    TVM_DNS_SERVERS: dns,
    TVM_TEMPLATES: 'off',
    TVM_BOOT_TIMEOUT_SECONDS: '180',
    TVM_SUSPEND_AFTER_SECONDS: '1',
  });
  internet = await Internet.open();
  onHost = createServer((_, response) => response.end('the host')).listen(hostPort, host);
});
after(async () => {
  const { machines = [] } = (await daemon?.flintlock.listMachines({})) ?? {};
  for (const { uid, generation } of machines) await daemon.flintlock.destroyMachine({ uid, generation });
  await daemon?.[Symbol.asyncDispose]();
  onHost?.close();
  await internet?.[Symbol.asyncDispose]();
});

async function start(uid: string, network: Policy | undefined, snapshot = '', networkBytesPerSecond = 0n) {
  const size = snapshot === '' ? { image, cpus: 1, memoryMib: 192 } : { snapshot };
  const limits = { networkBytesPerSecond };
  await daemon.flintlock.createMachine({ uid, spec: { ...size, limits, ...(network && { network }) } });
  return await untilState(daemon.flintlock, uid, MachineState.RUNNING);
}

const tried = async (uid: string, attempts: Parameters<typeof attempt>[2]) =>
  await attempt(daemon.flintlock, uid, attempts);

function owned(): string[] {
  const prefix = namespacePrefix(ownerOf(`${daemon.home}/flintlock`));
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(prefix)) : [];
}

function assertFailed(results: Record<string, unknown>, names: string[]): void {
  for (const name of names) assert.match(String(results[name]), /^(failed: |nothing$)/, name);
}

test('a machine has no network interface unless it asks for one', async () => {
  assert.equal((await daemon.flintlock.getNode({})).networksUnavailable, '');
  const { address } = await start('plain', undefined);
  assert.equal(address, '');
  assert.deepEqual(await tried('plain', { interfaces: ['interfaces'] }), { interfaces: ['lo'] });
  assert.deepEqual(owned(), []);
  await daemon.flintlock.destroyMachine({ uid: 'plain' });
});

test('open reaches the internet by name and by address, and nothing else', async () => {
  const names = {
    'web.example.com': [web],
    'rebound.example.com': [addresses.private],
    'meta.example.com': [metadata],
  };
  await internet.publish(names);
  const { address } = await start('open', { egress: 'open' });
  const neighbour = await start('neighbour', { egress: 'open' });
  const resolverOf = (text: string) => text.replace(/\d+$/, (last) => String(Number(last) - 1));
  const results = await tried('open', {
    interfaces: ['interfaces'],
    byName: ['get', 'http://web.example.com/'],
    byAddress: ['get', `http://${web}:8080/`],
    metadata: ['get', `http://${metadata}/`],
    metadataName: ['resolve', 'meta.example.com'],
    rebound: ['resolve', 'rebound.example.com'],
    private: ['get', `http://${addresses.private}/`],
    host: ['get', `http://${host}:${hostPort}/`],
    hostEnd: ['get', `http://${resolverOf(address)}:${hostPort}/`],
    neighbour: ['tcp', neighbour.address, 80],
    neighbourResolver: ['tcp', resolverOf(neighbour.address), resolverPort],
    loopback: ['tcp', '192.0.0.1', 22],
    multicast: ['udp', '224.0.0.251', 5353, '00'],
    ipv6: ['tcp6', '2001:db8::1', 80],
    spoofed: ['spoof', '198.51.100.77', moved, 80],
  });
  const { interfaces, byName, byAddress, ...denied } = results;
  assert.deepEqual(interfaces, ['eth0', 'lo']);
  assert.deepEqual({ byName, byAddress }, { byName: `${web}:80`, byAddress: `${web}:8080` });
  assertFailed(denied, Object.keys(denied));
  await daemon.flintlock.destroyMachine({ uid: 'neighbour' });
});

test('restricted reaches what is listed, on the ports that are listed', async () => {
  await internet.publish({
    'allowed.example.com': [web],
    'a.cdn.example.com': [other],
    'cdn.example.com': [other],
    'denied.example.com': [other],
    'secret.exfiltrated.example.net': [web],
  });
  await start('restricted', restricted);
  const results = await tried('restricted', {
    allowed: ['get', 'http://allowed.example.com/'],
    wildcard: ['get', 'http://a.cdn.example.com:8080/'],
    listedAddress: ['get', `http://${addresses.private}/`],
    otherPort: ['get', 'http://allowed.example.com:8080/'],
    otherPortOfAddress: ['get', `http://${addresses.private}:8080/`],
    parentOfWildcard: ['resolve', 'cdn.example.com'],
    denied: ['resolve', 'denied.example.com'],
    tunnel: ['resolve', 'secret.exfiltrated.example.net'],
    // allowed.example.com, asked of another server, and over a connection.
    otherServer: ['udp', dns, 53, '12340100000100000000000007616c6c6f776564076578616d706c6503636f6d0000010001'],
    dnsOverTls: ['tcp', dns, 853],
    metadata: ['get', `http://${metadata}/`],
    host: ['get', `http://${host}:${hostPort}/`],
    spoofed: ['spoof', '198.51.100.77', moved, 80],
  });
  const { allowed, wildcard, listedAddress, ...denied } = results;
  const reached = { allowed: `${web}:80`, wildcard: `${other}:8080`, listedAddress: `${addresses.private}:80` };
  assert.deepEqual({ allowed, wildcard, listedAddress }, reached);
  assertFailed(denied, Object.keys(denied));
  const asked = await internet.asked();
  assert.ok(!asked.some((name) => /^(denied|secret|cdn)\./.test(name)), `${asked} left the node`);
});

test('a changed record opens its new address, and closes the one before', async () => {
  const unresolved = { before: ['get', `http://${moved}/`] } as const;
  assertFailed(await tried('restricted', { before: [...unresolved.before] }), ['before']);
  await internet.publish({ 'allowed.example.com': [moved] });
  await sleep(changeNoticedMs);
  const results = await tried('restricted', {
    changed: ['get', 'http://allowed.example.com/'],
    old: ['get', `http://${web}/`],
  });
  assert.equal(results.changed, `${moved}:80`);
  assertFailed(results, ['old']);
});

test('a machine that starts from a snapshot has a network of its own, with its own rules', async () => {
  await internet.publish({ 'allowed.example.com': [web] });
  await daemon.flintlock.snapshotMachine({ uid: 'restricted', name: 'one' });
  const [silent, again] = [await start('silent', undefined, 'one'), await start('again', restricted, 'one')];
  assert.notEqual(silent.address, again.address);
  const attempts = { allowed: ['get', 'http://allowed.example.com/'], host: ['tcp', host, hostPort] } as const;
  const list = () => ({ allowed: [...attempts.allowed], host: [...attempts.host] }) as Parameters<typeof attempt>[2];
  assertFailed(await tried('silent', list()), ['allowed', 'host']);
  const results = await tried('again', list());
  assert.equal(results.allowed, `${web}:80`);
  assertFailed(results, ['host']);
  // Of one that was itself restored.
  await daemon.flintlock.snapshotMachine({ uid: 'again', name: 'two' });
  await start('third', restricted, 'two');
  assert.equal((await tried('third', list())).allowed, `${web}:80`);
});

test('a machine takes and sends no more bytes a second than it may, and less than it would', async () => {
  const mayBytes = 262_144;
  await start('slow', { egress: 'open' }, 'one', BigInt(mayBytes));
  const paces = async (uid: string) => {
    const taken = await tried(uid, { pace: ['pace', `http://${web}/large`, 0] });
    const sent = await tried(uid, { pace: ['pace', `http://${web}/`, 2_097_152] });
    return [Number(taken.pace), Number(sent.pace)];
  };
  // What may come at once goes on top.
  for (const pace of await paces('slow')) assert.ok(pace > 0 && pace < mayBytes * 1.25, `${pace} bytes a second`);
  for (const pace of await paces('open')) assert.ok(pace > mayBytes * 1.25, `${pace} bytes a second without a limit`);
  // One that has booted, and read its root.
  const { networkTraffic, diskTraffic } = await daemon.flintlock.getUsage({ uid: 'open' });
  const { receivedBytes = 0n, sentBytes = 0n } = networkTraffic ?? {};
  assert.ok(receivedBytes > 2_097_152n && sentBytes > 2_097_152n, `received ${receivedBytes}, sent ${sentBytes}`);
  assert.ok(Number(diskTraffic?.readBytes) > 1_048_576, `read ${diskTraffic?.readBytes}`);
  await daemon.flintlock.destroyMachine({ uid: 'slow' });
});

test('a machine whose memory went to disk has no network meanwhile, and its own again when it goes on', async () => {
  const uid = 'again';
  await daemon.flintlock.pauseMachine({ uid, generation: 0n });
  for (let machine = await daemon.flintlock.getMachine({ uid }); !machine.suspended || machine.address !== ''; ) {
    await sleep(200);
    machine = await daemon.flintlock.getMachine({ uid });
  }
  await daemon.flintlock.resumeMachine({ uid, generation: 0n });
  const results = await tried(uid, { found: ['get', 'http://allowed.example.com/'], host: ['tcp', host, hostPort] });
  assert.equal(results.found, `${web}:80`);
  assertFailed(results, ['host']);
});

test('machines keep their network when flintlock is killed; what belongs to nobody is removed', async () => {
  const prefix = namespacePrefix(ownerOf(`${daemon.home}/flintlock`));
  await daemon.end('SIGKILL');
  await runTool('ip', ['netns', 'add', `${prefix}0123456789ab`]);
  await daemon.start();
  assert.ok(!owned().includes(`${prefix}0123456789ab`));
  const { found } = await tried('again', { found: ['get', 'http://allowed.example.com/'] });
  assert.equal(found, `${web}:80`);
});

test('nothing is left of machines that are gone', async () => {
  const { machines } = await daemon.flintlock.listMachines({});
  for (const { uid, generation } of machines) await daemon.flintlock.destroyMachine({ uid, generation });
  assert.deepEqual(owned(), []);
  const owner = ownerOf(`${daemon.home}/flintlock`);
  assert.deepEqual(
    readdirSync('/sys/class/net').filter((name) => name.startsWith(`t${owner}`)),
    [],
  );
  assert.ok(!(await runTool('nft', ['list', 'tables'])).includes(owner));
});
