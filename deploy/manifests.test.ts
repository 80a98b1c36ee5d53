// The manifests agree with the programs that they start, and keep what the design promises about rights.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig as readFlintlockConfig } from '@tvm/flintlock/config.ts';
import { formatBlock, privateBlocks } from '@tvm/flintlock/network/ipv4.ts';
import { readConfig as readPluginConfig } from '@tvm/kvm-device-plugin/config.ts';
import { loadConfig as loadLimeConfig } from '@tvm/lime-ctrl/config.ts';
import { parseAllDocuments } from 'yaml';

// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds, looked into field by field
type Manifest = any;

const base = join(import.meta.dirname, 'base');
const manifests: Manifest[] = readdirSync(base)
  .filter((name) => /^\d.*\.yaml$/.test(name))
  .flatMap((name) => parseAllDocuments(readFileSync(join(base, name), 'utf8')).map((document) => document.toJS()));
const workloads = manifests.filter(({ kind }) => ['Deployment', 'DaemonSet'].includes(kind));
const podOf = (name: string): Manifest => workloads.find(({ metadata }) => metadata.name === name).spec.template.spec;

/** What the container would be given; values that the cluster fills in are 8, but for addresses. */
function environmentOf(name: string): Record<string, string> {
  const { env } = podOf(name).containers[0];
  const filledIn = ({ valueFrom }: Manifest) => (valueFrom.fieldRef?.fieldPath === 'status.hostIP' ? '192.0.2.8' : '8');
  return Object.fromEntries(env.map((entry: Manifest) => [entry.name, entry.value ?? filledIn(entry)]));
}

const programs = {
  'lime-ctrl': (env: Record<string, string>) => loadLimeConfig({ ...env, KUBERNETES_SERVICE_HOST: '10.0.0.1' }),
  flintlock: readFlintlockConfig,
  'kvm-device-plugin': readPluginConfig,
};

for (const [name, read] of Object.entries(programs)) {
  test(`${name} understands its environment, all of it`, () => {
    const environment = environmentOf(name);
    assert.ok(read(environment));
    const source = readFileSync(join(import.meta.dirname, '..', name, 'config.ts'), 'utf8');
    const shared = ['TVM_HOME', 'TVM_CACHE_DIR'];
    for (const variable of Object.keys(environment)) {
      assert.ok(shared.includes(variable) || source.includes(variable), `${variable} means nothing to ${name}`);
    }
  });
}

test('every container has probes, requests, a memory limit, no way to more rights and a file system that cannot be written', () => {
  for (const { metadata, spec } of workloads) {
    const pod = spec.template.spec;
    for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
      const where = `${metadata.name}/${container.name}`;
      const { securityContext: rights, resources } = container;
      assert.equal(rights.allowPrivilegeEscalation, false, where);
      assert.equal(rights.readOnlyRootFilesystem, true, where);
      assert.deepEqual(rights.capabilities.drop, ['ALL'], where);
      assert.notEqual(rights.privileged, true, where);
      assert.ok(resources.requests.cpu && resources.requests.memory && resources.limits.memory, where);
    }
    for (const { name, livenessProbe, readinessProbe } of pod.containers)
      assert.ok(livenessProbe && readinessProbe, name);
    assert.ok(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, metadata.name);
  }
});

test('flintlock has the rights that sandboxes and networks take, and serves no machine without a sandbox', () => {
  const [{ securityContext: rights, env }] = podOf('flintlock').containers;
  const forImages = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP'];
  const forSandboxes = ['SYS_ADMIN', 'SETUID', 'SETGID', 'SETPCAP', 'KILL', 'SYS_PTRACE'];
  assert.deepEqual(rights.capabilities.add, [...forImages, ...forSandboxes, 'NET_ADMIN']);
  assert.deepEqual(podOf('flintlock').initContainers[0].securityContext.capabilities.add, forImages);
  assert.equal(env.find(({ name }: Manifest) => name === 'TVM_CONFINEMENT').value, 'require');
});

test('machines reach public addresses alone past the policy of their node, but for registries and name servers', () => {
  const policy = manifests.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'flintlock');
  const open = policy.spec.egress.filter(({ ports }: Manifest) => ports === undefined);
  const blocks = open.flatMap(({ to }: Manifest) => to.map(({ ipBlock }: Manifest) => ipBlock));
  assert.equal(blocks.length, 1);
  for (const block of privateBlocks.map(formatBlock)) assert.ok(blocks[0].except.includes(block), block);
});

test('nothing beside the machines has a Kubernetes token or any right', () => {
  for (const name of ['flintlock', 'kvm-device-plugin']) {
    assert.equal(podOf(name).automountServiceAccountToken, false);
    const bound = manifests.filter(({ subjects }) => subjects?.some((subject: Manifest) => subject.name === name));
    assert.deepEqual(bound, []);
  }
});

test('no role holds a wildcard, and lime-ctrl cannot list Secrets', () => {
  const rules: Manifest[] = manifests.flatMap((manifest) => manifest.rules ?? []);
  for (const rule of rules) {
    for (const list of [rule.verbs, rule.resources ?? [], rule.apiGroups ?? []]) assert.ok(!list.includes('*'));
    if (rule.resources?.includes('secrets'))
      assert.ok(!rule.verbs.some((verb: string) => ['list', 'watch', 'delete'].includes(verb)));
  }
});

test('Services and NetworkPolicies name ports that the pods have', () => {
  const select = (selector: Record<string, string> = {}) =>
    workloads.filter(
      ({ metadata }) => metadata.labels['app.kubernetes.io/name'] === selector['app.kubernetes.io/name'],
    );
  const portsOf = (selected: Manifest[]) =>
    selected.flatMap(({ spec }) => spec.template.spec.containers[0].ports.map((port: Manifest) => port.name));
  for (const { kind, metadata, spec } of manifests) {
    if (kind === 'Service') {
      for (const { targetPort } of spec.ports)
        assert.ok(portsOf(select(spec.selector)).includes(targetPort), metadata.name);
    }
    if (kind === 'NetworkPolicy') {
      const named = (spec.ingress ?? []).flatMap(({ ports }: Manifest) => ports.map((port: Manifest) => port.port));
      for (const port of named) assert.ok(portsOf(select(spec.podSelector.matchLabels)).includes(port), metadata.name);
    }
  }
});
