import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { droppedSettings } from './built-kernel.ts';
import { newestCloudKernel } from './cloud-kernel.ts';
import { loadOrder, moduleDependencies, moduleName } from './modules.ts';

it('loads each module once, after what it depends on', () => {
  // An edge goes from a higher number to a lower one alone, so there is no cycle; -1 stands for a built-in.
  const graph = fc.array(fc.array(fc.integer({ min: -1, max: 30 }), { maxLength: 4 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(graph, fc.array(fc.nat({ max: 29 })), (edges, wanted) => {
      const dependenciesOf = (name: string) => edges[Number(name)]?.filter((to) => to < Number(name)).map(String);
      const order = loadOrder(wanted.map(String), dependenciesOf);
      assert.equal(new Set(order).size, order.length);
      for (const name of order) {
        for (const dependency of dependenciesOf(name) ?? []) {
          if (dependenciesOf(dependency)) assert.ok(order.indexOf(dependency) < order.indexOf(name));
        }
      }
      for (const name of wanted.map(String)) assert.equal(order.includes(name), dependenciesOf(name) !== undefined);
    }),
  );
});

it('ends even when modules depend on each other', () => {
  assert.deepEqual(
    loadOrder(['a'], (name) => (name === 'a' ? ['b'] : ['a'])),
    ['b', 'a'],
  );
});

it('reads names and dependencies from module files', () => {
  assert.equal(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz'), 'virtio_rng');
  assert.equal(moduleName('squashfs.ko'), 'squashfs');
  const object = Buffer.from('\x7fELF\0license=GPL\0depends=lib-a,lib_b\0retpoline=Y\0', 'latin1');
  assert.deepEqual(moduleDependencies(object), ['lib_a', 'lib_b']);
  assert.deepEqual(moduleDependencies(Buffer.from('\0depends=\0')), []);
  assert.deepEqual(moduleDependencies(Buffer.from('nothing')), []);
});

it('takes the newest signed cloud kernel, by number', () => {
  const names = [
    'linux-image-cloud-amd64',
    'linux-image-6.1.0-56-cloud-amd64',
    'linux-image-6.12-cloud-amd64',
    'linux-image-6.12.9+deb12-cloud-amd64',
    'linux-image-6.12.117+deb12-cloud-amd64',
    'linux-image-6.12.118+deb12-cloud-amd64-unsigned',
    'linux-image-6.12.119+deb12-cloud-amd64-dbg',
    'linux-image-6.12.120+deb12-amd64',
  ];
  assert.equal(newestCloudKernel(names), 'linux-image-6.12.117+deb12-cloud-amd64');
  assert.equal(newestCloudKernel(['linux-image-6.1.0-56-cloud-amd64']), undefined);
});

it('reports settings that kconfig dropped', () => {
  const fragment = '# a comment\nCONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D="x"\n';
  assert.deepEqual(droppedSettings(fragment, 'CONFIG_A=y\nCONFIG_D="y"\n'), ['CONFIG_B=y', 'CONFIG_D="x"']);
});
