// The README's walk-through on a real node, then what goes wrong in clusters: restarts, leaders that die, an API server that is
// away, a node that is cordoned, deletion from every phase. The tests of this file build on each other, in their order.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiObject } from '../api-client.ts';
import { readConfig } from '../config.ts';
import { until } from '../e2e/until.ts';
import { type Installation, mcpSession, microVm, prepareInstallation } from './installation.ts';
import { openSessionClient } from './session-client.ts';

const { root } = readConfig();
const hello = "print('Hello from Firecracker!')";
const deploy = (...path: string[]) => join(root, 'deploy', ...path);
const conditionOf = ({ status }: ApiObject, type: string) =>
  status?.conditions?.find((condition: { type: string }) => condition.type === type);

describe('a cluster', () => {
  let tvm: Installation;
  let token = '';

  before(async () => {
    tvm = await prepareInstallation();
  });
  after(() => tvm?.[Symbol.asyncDispose]());

  const eventsOf = async (kind: string) =>
    (await tvm.kubectl('get', 'events', '-A', '--field-selector', `involvedObject.kind=${kind}`)).split('\n');
  const leader = async (): Promise<string> => {
    const { spec } = await tvm.read('lease', 'lime-ctrl', 'tvm-system');
    return spec.holderIdentity ?? '';
  };
  /** The lease of one that is gone names it until another takes over. */
  const livingLeader = () =>
    until('a replica leads', async () => {
      const holder = await leader();
      const living = (await tvm.podsOf('lime-ctrl')).filter(({ metadata }) => !metadata.deletionTimestamp);
      return living.some(({ metadata }) => metadata.name === holder) && holder;
    });
  const untilAnotherLeads = (before: string) =>
    until('another leads', async () => ![before, ''].includes(await leader()));
  const untilExecutes = (what: string) =>
    until(what, async () => (await tvm.vvm(token, 'execute', hello)).stdout === 'Hello from Firecracker!\n', 180_000);
  const isReady = (pod: ApiObject) => !pod.metadata.deletionTimestamp && conditionOf(pod, 'Ready')?.status === 'True';
  /** Replicas and the flintlock are as many as wanted and ready. The pods are asked too: a Deployment's status comes after them. */
  const untilInstalled = async () => {
    await tvm.kubectl('-n', 'tvm-system', 'rollout', 'status', 'deployment/lime-ctrl', '--timeout=180s');
    await tvm.kubectl('-n', 'tvm-nodes', 'rollout', 'status', 'daemonset/flintlock', '--timeout=180s');
    await until('only ready replicas', async () => (await tvm.podsOf('lime-ctrl')).every(isReady), 180_000);
  };

  it('without KVM says so, in Events and in the status of a MicroVM', async () => {
    await tvm.kubectl('apply', '-f', deploy());
    await tvm.kubectl('apply', '-k', deploy('overlays/elastic'), '--dry-run=server');
    await tvm.kubectl('-n', 'tvm-system', 'rollout', 'status', 'deployment/lime-ctrl', '--timeout=180s');
    await tvm.kubectl('apply', '-f', deploy('examples/microvm.yaml'));
    const unplaced = await tvm.untilObject('mvm', 'demo', 'has no node', (object) =>
      /no node|node/i.test(conditionOf(object, 'Scheduled')?.message ?? ''),
    );
    assert.equal(unplaced.status.phase, 'Pending');
    assert.equal(conditionOf(unplaced, 'Scheduled').status, 'False');
    const scheduling = /FailedScheduling.*tvm\.github\.com\/kvm/;
    await until('the pod says what it lacks', async () =>
      (await eventsOf('Pod')).some((line) => scheduling.test(line)),
    );
    const troubled = /NoFlintlock.*does a node offer what flintlock asks for/;
    await until('lime-ctrl says so', async () => (await eventsOf('Pod')).some((line) => troubled.test(line)));
  });

  it('runs on emulation by a documented setting, and what waited starts', async () => {
    await tvm.kubectl('apply', '-k', deploy('overlays/emulation'));
    await tvm.kubectl('-n', 'tvm-nodes', 'delete', 'daemonset', 'kvm-device-plugin');
    await untilInstalled();
    const demo = await tvm.untilPhase('demo', 'Running');
    assert.equal(demo.status.host, tvm.cluster.nodeName);
  });

  it('has a second apply change nothing', async () => {
    const again = await tvm.kubectl('apply', '-k', deploy('overlays/emulation'));
    const changed = again.split('\n').filter((line) => line !== '' && !line.endsWith(' unchanged'));
    // kubectl replaces the selector of a PodDisruptionBudget by the same each time.
    assert.deepEqual(
      changed.filter((line) => !line.startsWith('poddisruptionbudget')),
      [],
    );
  });

  it('gives an MCPSession a status', async () => {
    await tvm.kubectl('apply', '-f', deploy('examples/mcpsession.yaml'));
    await tvm.untilObject('mcps', 'demo', 'has a state', ({ status }) => typeof status?.state === 'string');
  });

  it('executes code for whoever may', async () => {
    for (const user of ['alice', 'mallory']) await tvm.kubectl('create', 'serviceaccount', user);
    await tvm.kubectl('create', 'rolebinding', 'alice', '--clusterrole=tvm-edit', '--serviceaccount=default:alice');
    token = await tvm.tokenOf('alice');
    const { exitCode, stdout, stderr } = await tvm.vvmFromAfar(token, 'execute', hello);
    assert.deepEqual([exitCode, stdout], [0, 'Hello from Firecracker!\n'], stderr);
    assert.equal((await tvm.vvm(token, 'execute', 'raise SystemExit(7)')).exitCode, 7);
    const refused = await tvm.vvm(await tvm.tokenOf('mallory'), 'execute', hello);
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /cannot create .*microvms\/execute/);
    const unknown = await tvm.vvm('no-token-of-this-cluster', 'execute', hello);
    assert.notEqual(unknown.exitCode, 0);
    assert.doesNotMatch(unknown.stderr, /no-token-of-this-cluster/);
  });

  it('keeps the control plane and the nodes apart: no credentials beside machines, no call without a certificate', async () => {
    const [flintlock] = await tvm.podsOf('flintlock');
    const mounts = flintlock.spec.containers.flatMap(({ volumeMounts }: ApiObject) => volumeMounts);
    assert.ok(mounts.every(({ mountPath }: ApiObject) => !mountPath.includes('serviceaccount')));
    await assert.rejects(fetch(`http://${flintlock.status.podIP}:9090/`), 'cleartext is not served');
    const can = ['auth', 'can-i', '--as=system:serviceaccount:tvm-nodes:flintlock', '-n', 'tvm-nodes'];
    await assert.rejects(tvm.kubectl(...can, 'get', 'secrets'), /exit 1/);
    const lists = ['auth', 'can-i', '--as=system:serviceaccount:tvm-system:lime-ctrl', '-n', 'default'];
    await assert.rejects(tvm.kubectl(...lists, 'list', 'secrets'), /exit 1/);
  });

  it('serves a session by either replica: what belongs to one is sent on to it, the other goes on when that is gone', async () => {
    const [holder, other] = await tvm.podsOf('lime-ctrl');
    await tvm.apply(mcpSession('agent'));
    const { status } = await tvm.untilObject('mcps', 'agent', 'is Ready', (object) => object.status?.state === 'Ready');
    const { url, tokenSecretRef } = status.connectionInfo;
    const { data } = await tvm.read('secret', tokenSecretRef.name);
    const secret = Buffer.from(data.token, 'base64').toString();
    await using agent = await openSessionClient(url, secret, holder.status.podIP);
    await until('it listens', () => agent.streamsAt.length > 0);
    agent.turnTo(other.status.podIP);
    assert.equal(await agent.run('echo before > /root/kept; cat /root/kept'), 'before\n');
    await agent.client.subscribeResource({ uri: 'file:///root/kept' });
    assert.equal(await agent.run('sleep 1; echo after >> /root/kept; cat /root/kept'), 'before\nafter\n');
    await until('the stream at one tells what was asked of the other', () => agent.updated.length > 0);
    assert.deepEqual(agent.streamsAt, [holder.status.podIP]);
    await tvm.kubectl('-n', 'tvm-system', 'delete', 'pod', holder.metadata.name, '--grace-period=0', '--force');
    assert.equal(await agent.run('cat /root/kept'), 'before\nafter\n');
    await until('it listens at the other', () => agent.streamsAt.includes(other.status.podIP));
    await untilInstalled();
  });

  it('ends its replicas in order: what is under way is answered', async () => {
    const running = tvm.vvm(token, 'execute', "import time; time.sleep(8); print('answered')");
    await sleep(3_000);
    await tvm.kubectl('-n', 'tvm-system', 'delete', 'pod', '-l', 'app.kubernetes.io/name=lime-ctrl', '--wait=false');
    const { stdout, stderr } = await running;
    assert.deepEqual([stdout, stderr], ['answered\n', '']);
    await untilInstalled();
  });

  it('goes on when the leader ends in the middle of making a machine', async () => {
    const before = await livingLeader();
    await tvm.apply(microVm('interrupted'));
    await tvm.untilObject('mvm', 'interrupted', 'is placed', (object) => object.status?.host !== undefined);
    await tvm.kubectl('-n', 'tvm-system', 'delete', 'pod', before, '--wait=false');
    await tvm.untilPhase('interrupted', 'Running');
    await untilAnotherLeads(before);
    await untilInstalled();
  });

  it('goes on when the leader is killed: machines stay, the other replica executes and leads', async () => {
    const { status: started } = await tvm.read('mvm', 'demo');
    const before = await livingLeader();
    await tvm.kubectl('-n', 'tvm-system', 'delete', 'pod', before, '--grace-period=0', '--force');
    await untilExecutes('an execute by the other replica');
    await untilAnotherLeads(before);
    await tvm.apply(microVm('after-leader'));
    await tvm.untilPhase('after-leader', 'Running');
    const { status } = await tvm.read('mvm', 'demo');
    assert.deepEqual([status.startedAt, status.restarts], [started.startedAt, started.restarts]);
    await untilInstalled();
  });

  it('keeps machines when a flintlock crashes', async () => {
    const { status: started } = await tvm.read('mvm', 'demo');
    const [pod] = await tvm.podsOf('flintlock');
    await tvm.cluster.onNode('pkill', '-KILL', '-f', '^/usr/local/bin/node .*flintlock/main.ts');
    await untilExecutes('an execute by the flintlock that was started again');
    const { status } = await tvm.untilPhase('demo', 'Running');
    assert.deepEqual([status.startedAt, status.restarts], [started.startedAt, started.restarts]);
    const [same] = await tvm.podsOf('flintlock');
    assert.equal(same.metadata.uid, pod.metadata.uid);
    assert.equal(same.status.containerStatuses[0].restartCount, 0);
  });

  it('outlives half a minute without the API server', async () => {
    const { status: started } = await tvm.read('mvm', 'demo');
    const server = tvm.cluster.program('kube-apiserver');
    await server.kill();
    const ended = sleep(30_000);
    const { exitCode, stdout, stderr } = await tvm.vvm(token, 'execute', hello);
    // Who it is may be known from before; else the answer says what is missing.
    if (exitCode === 0) assert.equal(stdout, 'Hello from Firecracker!\n');
    else assert.match(stderr, /the API server/);
    await ended;
    server.start();
    await tvm.cluster.untilApiReady();
    await tvm.cluster.untilNodeReady();
    await untilExecutes('an execute afterwards');
    await tvm.apply(microVm('afterwards'));
    await tvm.untilPhase('afterwards', 'Running');
    const { status } = await tvm.read('mvm', 'demo');
    assert.deepEqual([status.phase, status.startedAt], ['Running', started.startedAt]);
  });

  it('drained, keeps a replica and puts nothing on the node; then starts again what a flintlock took along', async () => {
    const { nodeName } = tvm.cluster;
    const { status: started } = await tvm.read('mvm', 'afterwards');
    await untilInstalled();
    await tvm.kubectl('cordon', nodeName);
    await tvm.untilNothingIsScheduled();
    const drain = tvm.kubectl('drain', nodeName, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=15s');
    await assert.rejects(drain, /disruption budget/, 'the last replica has nowhere to go');
    await tvm.apply(microVm('cordoned'));
    const waiting = await tvm.untilObject(
      'mvm',
      'cordoned',
      'waits for a node',
      (object) => conditionOf(object, 'Scheduled')?.status === 'False',
    );
    assert.equal(waiting.status.phase, 'Pending');
    const { status: during } = await tvm.read('mvm', 'afterwards');
    assert.deepEqual([during.phase, during.startedAt], ['Running', started.startedAt], 'it has nowhere to go either');
    await tvm.kubectl('uncordon', nodeName);
    await tvm.untilPhase('cordoned', 'Running');
    await tvm.kubectl('-n', 'tvm-nodes', 'delete', 'pod', '-l', 'app.kubernetes.io/name=flintlock', '--timeout=150s');
    await untilInstalled();
    const again = await tvm.untilObject(
      'mvm',
      'afterwards',
      'runs again',
      ({ status }) => status?.phase === 'Running' && status.startedAt !== started.startedAt,
    );
    assert.equal(again.status.host, nodeName);
  });

  it('deletes machines in every phase, and leaves nothing of them on the node', async () => {
    await tvm.apply(
      microVm('pending', { memory: 1_048_576 }),
      microVm('failed', { image: 'localhost:1/nothing/there:1' }),
      microVm('paused', { desiredState: 'Paused' }),
      microVm('stopped', { desiredState: 'Stopped' }),
    );
    await tvm.untilPhase('pending', 'Pending');
    await tvm.untilPhase('failed', 'Failed');
    await tvm.untilPhase('paused', 'Paused');
    await tvm.untilPhase('stopped', 'Stopped');
    // An address of documentation: nobody answers there, and the image is being pulled for long.
    await tvm.apply(microVm('creating', { image: '192.0.2.1:5000/nobody/there:1' }));
    await tvm.untilPhase('creating', 'Creating');
    await tvm.kubectl('delete', 'mcps', '--all', '--timeout=60s');
    await tvm.kubectl('delete', 'mvm', '--all', '--timeout=120s');
    const named = async (text: string) => (await tvm.kubectl('get', text, '-A', '-o', 'name')).trim();
    assert.equal(await named('mvm'), '');
  });

  it('is taken away like any other set of manifests, with every machine', async () => {
    await tvm.kubectl('delete', '-k', deploy('overlays/emulation'), '--timeout=240s');
    assert.deepEqual(await tvm.podsOf('flintlock'), []);
    const virtual = await tvm.cluster.onNode(
      'sh',
      '-c',
      'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c guest=[t]vm- || true',
    );
    assert.equal(virtual.trim(), '0');
    assert.deepEqual(await tvm.machineFolders(), []);
    await tvm.kubectl('delete', '-f', deploy('crds'), '--timeout=60s');
  });
});
