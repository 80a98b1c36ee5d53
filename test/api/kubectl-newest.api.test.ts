// Commands and forms of output that kubectl of the cluster's own version has and older ones lack.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubectlSession, manifest } from './kubectl-session.ts';
import { apiVersion, bodyOf } from './objects.ts';
import { onEachTarget } from './scope.ts';

onEachTarget('the newest kubectl', (scope) => {
  const { kubectl, apply, make } = kubectlSession(scope);

  const setStatus = async (name: string, status: object) =>
    bodyOf(await scope.api.patch(scope.path('microvms', name, 'status'), 'merge', { status }));

  test('wait for a value and for a beginning', async () => {
    const created = kubectl(['wait', '--for=create', 'mvm/awaited', '--timeout=30s']);
    await make('awaited');
    assert.match(await created, /awaited condition met/);
    const value = kubectl(['wait', '--for=jsonpath={.status.phase}=Running', 'mvm/awaited', '--timeout=30s']);
    await setStatus('awaited', { phase: 'Running' });
    assert.match(await value, /awaited condition met/);
  });

  test('events of an object, also as they come', async () => {
    await make('told');
    const involvedObject = { apiVersion, kind: 'MicroVM', name: 'told', namespace: scope.namespace };
    const tell = async (reason: string) =>
      bodyOf(
        await scope.api.create(scope.path('events'), {
          metadata: { generateName: 'told-' },
          involvedObject,
          reason,
          message: 'placed on n1',
          type: 'Normal',
          lastTimestamp: '2026-01-01T00:00:00Z',
        }),
        201,
      );
    await tell('Scheduled');
    const listed = await kubectl(['events', '--for', 'microvm/told']);
    assert.match(listed, /Normal\s+Scheduled\s+MicroVM\/told\s+placed on n1/);
    const { stdout } = await scope.kubectl(['events', '--for', 'microvm/told', '--watch'], {
      onOutput: (output, stop) => {
        if (output.includes('Started')) stop();
        else if (output.includes('Scheduled')) void tell('Started');
      },
    });
    assert.match(stdout, /Scheduled.*Started/s);
  });

  test('get and patch of a subresource', async () => {
    await make('inner');
    const patch = ['patch', 'mvm', 'inner', '--subresource=status', '--type=merge', '-p'];
    await kubectl([...patch, '{"status":{"phase":"Creating"}}']);
    const read = ['get', 'mvm', 'inner', '--subresource=status', '-o', 'jsonpath={.status.phase}'];
    assert.equal(await kubectl(read), 'Creating');
  });

  test('apply --prune deletes what is no longer there', async () => {
    const labelled = (name: string) => manifest(name).replace('}', ', labels: {set: pruned}}');
    const prune = ['--prune', '-l', 'set=pruned', '--prune-allowlist=vvm.tvm.github.com/v1alpha1/MicroVM'];
    await apply(`${labelled('kept')}---\n${labelled('dropped')}`, ...prune);
    assert.match(await apply(labelled('kept'), ...prune), /dropped pruned/);
  });

  test('explain tells the values of a field', async () => {
    assert.match(await kubectl(['explain', 'mvm.spec']), /desiredState\s+<string>\n\s*enum: Running, Paused, Stopped/);
  });

  test('auth tells who one is and what one may', async () => {
    assert.match(await kubectl(['auth', 'whoami']), /Username\s+admin/);
    assert.equal(await kubectl(['auth', 'can-i', 'create', 'mvm']), 'yes\n');
    assert.match(await kubectl(['auth', 'can-i', '--list']), /^\*\.\*\s/m);
  });
});
