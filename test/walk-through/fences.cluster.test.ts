// What the rights of flintlock's pod are for, on a real node: sandboxes and limits of virtual machine monitors, networks of machines.
// The tests of this file build on each other, in their order.
import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage, packBusyboxImage } from '../cluster/node/busybox-image.ts';
import { readConfig } from '../config.ts';
import { until } from '../e2e/until.ts';
import { type Installation, microVm, prepareInstallation } from './installation.ts';

const overlay = join(readConfig().root, 'deploy/overlays/emulation');
const monitors = '^/usr/bin/qemu-system.*guest=tvm-';
const serve = 'mkdir -p /tmp/w && echo reached >/tmp/w/index.html && httpd -f -p 8000 -h /tmp/w';

function webServer(name: string): object {
  const container = { name: 'web', image: busyboxImage, command: ['sh', '-c', serve] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [container], terminationGracePeriodSeconds: 0 },
  };
}

/** Prints which of the addresses, HOST:PORT, it has an answer or a refusal from. */
const knock = `import sys, urllib.request as request
for address in sys.argv[1:]:
    try: print(address, request.urlopen('http://' + address, timeout=5).read().decode().strip())
    except OSError as error: print(address, 'timed out' if 'timed out' in str(error) else error)`;

describe('machines on a real node', () => {
  let tvm: Installation;
  let token = '';

  before(async () => {
    tvm = await prepareInstallation();
    await tvm.cluster.loadImage(await packBusyboxImage(tvm.cluster.folder));
    await tvm.kubectl('apply', '-k', overlay);
    await tvm.kubectl('-n', 'tvm-nodes', 'rollout', 'status', 'daemonset/flintlock', '--timeout=180s');
    await tvm.kubectl('create', 'serviceaccount', 'alice');
    await tvm.kubectl('create', 'rolebinding', 'alice', '--clusterrole=tvm-edit', '--serviceaccount=default:alice');
    token = await tvm.tokenOf('alice');
  });
  after(() => tvm?.[Symbol.asyncDispose]());

  const onNode = async (script: string, ...args: string[]) =>
    (await tvm.cluster.onNode('sh', '-c', script, 'sh', ...args)).trim();
  const pidsOf = async (pattern: string) =>
    (await onNode('pgrep -f "$1" || true', pattern)).split('\n').filter(Boolean);
  const addressOf = async (pod: string) => (await tvm.read('pod', pod)).status.podIP;

  const isThere = async (pid: string) => (await onNode('test ! -e "/proc/$1" || echo there', pid)) !== '';

  /** The user id of a monitor. */
  const checkSandbox = async (pid: string, flintlock: string) => {
    const status = await onNode('cat "/proc/$1/status"', pid);
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
    const uids = new Set(field('Uid').split('\t'));
    assert.equal(uids.size, 1, status);
    const [uid = ''] = uids;
    assert.match(uid, /^2\d{5}$/);
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) assert.match(field(`Cap${set}`), /^0+$/, set);
    assert.deepEqual([field('NoNewPrivs'), field('Seccomp')], ['1', '2']);
    for (const space of ['net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup']) {
      const [own, outside] = await Promise.all(
        [pid, flintlock].map((process) => onNode('readlink "/proc/$1/ns/$2"', process, space)),
      );
      assert.notEqual(own, outside, space);
    }
    assert.match(await onNode('cat "/proc/$1/cgroup"', pid), /\/tvm\/\w+\/\w+$/m);
    return uid;
  };

  it('starts one with a network of its own and a limit of its processor time', async () => {
    await tvm.apply(webServer('listed'), webServer('unlisted'));
    await tvm.kubectl('wait', '--for=condition=Ready', 'pod/listed', 'pod/unlisted', '--timeout=60s');
    const allow = [{ cidr: `${await addressOf('listed')}/32`, ports: [8000] }];
    const network = { egress: 'restricted', allow };
    await tvm.apply(microVm('fenced', { network, limits: { cpuPercent: 50 } }));
    await tvm.untilPhase('fenced', 'Running');
  });

  it('has every monitor in a sandbox: a user of its own, no capability, namespaces that flintlock is not in', async () => {
    const [flintlock = ''] = await pidsOf('^/usr/local/bin/node .*flintlock/main.ts');
    const users: string[] = [];
    for (const pid of await pidsOf(monitors)) {
      try {
        users.push(await checkSandbox(pid, flintlock));
      } catch (error) {
        // One that makes a template ends while it is looked at.
        if (await isThere(pid)) throw error;
      }
    }
    assert.ok(users.length > 0);
    assert.equal(new Set(users).size, users.length);
  });

  it('lets it reach what is listed: no other pod, not the node, not the API server', async () => {
    const { nodeAddress } = tvm.cluster;
    const service = (await tvm.read('service', 'kubernetes')).spec.clusterIP;
    const [listed, unlisted] = [await addressOf('listed'), await addressOf('unlisted')];
    const addresses = [`${listed}:8000`, `${unlisted}:8000`, `${nodeAddress}:10250`, `${service}:443`];
    const { stdout, stderr } = await tvm.vvm(token, 'exec', 'fenced', '--', 'python3', '-c', knock, ...addresses);
    const expected = addresses.map((address, index) => `${address} ${index === 0 ? 'reached' : 'timed out'}\n`);
    assert.equal(stdout, expected.join(''), stderr);
  });

  it('reaches not even the node when a rule lists all that is private', async () => {
    const { nodeAddress } = tvm.cluster;
    await tvm.apply(microVm('private', { network: { egress: 'restricted', allow: [{ cidr: '10.0.0.0/8' }] } }));
    await tvm.untilPhase('private', 'Running');
    const addresses = [`${await addressOf('unlisted')}:8000`, `${nodeAddress}:10250`];
    const { stdout, stderr } = await tvm.vvm(token, 'exec', 'private', '--', 'python3', '-c', knock, ...addresses);
    assert.equal(stdout, `${addresses[0]} reached\n${addresses[1]} timed out\n`, stderr);
  });

  it('leaves nothing of it on the node once its pod is gone', async () => {
    await tvm.kubectl('delete', 'mvm', '--all', '--wait=false');
    await tvm.kubectl('-n', 'tvm-nodes', 'delete', 'daemonset', 'flintlock', '--timeout=150s');
    await until('the pod is gone', async () => (await tvm.podsOf('flintlock')).length === 0);
    const looks = [
      'ip -o link show | grep -i tvm || true',
      'nft list tables | grep tvm || true',
      'ls /run/netns | grep tvm || true',
      'find /sys/fs/cgroup -ignore_readdir_race -path "*/$1/*" -name tvm -type d',
    ];
    const left = async () => [
      ...(await pidsOf(monitors)),
      ...(await Promise.all(looks.map((look) => onNode(look, basename(tvm.cluster.folder))))),
    ];
    // The kernel takes a namespace's links away a moment after the namespace. What is left is told below.
    const isNothing = async () => (await left()).every((each) => each === '');
    await until('nothing is left', isNothing).catch(() => undefined);
    assert.deepEqual(await left(), ['', '', '', '']);
  });
});
