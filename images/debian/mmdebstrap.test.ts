import assert from 'node:assert/strict';
import { it } from 'node:test';
import { debianImages } from './definitions.ts';
import { mmdebstrapArgs } from './mmdebstrap.ts';

it('plans the command line from the definition and the settings of the host', () => {
  const [python] = debianImages;
  assert.ok(python);
  const apt = { suite: 'bookworm', sourcesList: '', settings: ['Acquire::http::Proxy "http://proxy:1"'] };
  const args = mmdebstrapArgs(python, apt, '/cache/root', '/cache/debian.list');
  assert.deepEqual(args.slice(0, 3), ['--mode=root', '--variant=minbase', '--include=python3,procps,less']);
  assert.ok(args.includes('--aptopt=Acquire::http::Proxy "http://proxy:1"'));
  assert.ok(args.includes('--dpkgopt=path-exclude=/usr/share/man/*'));
  assert.ok(args.includes('--dpkgopt=path-include=/usr/share/doc/*/copyright'), 'licences stay');
  assert.deepEqual(args.slice(-3), ['bookworm', '/cache/root', '/cache/debian.list']);
});
