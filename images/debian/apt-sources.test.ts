import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { carriedAptSettings, parseIndexTargets, planSources } from './apt-sources.ts';

const targets = [
  'Packages|Debian|Debian|bookworm|bookworm|main|http://mirror.example/debian/',
  'Packages|Debian|Debian|bookworm|bookworm|contrib|http://mirror.example/debian/',
  'Packages|Debian|Debian|bookworm-updates|stable-updates|main|http://mirror.example/debian/',
  'Packages|Debian|Debian-Security|bookworm-security|bookworm-security|main|http://security.example/debian-security/',
  'Packages|Debian Backports|Debian Backports|bookworm-backports|bookworm-backports|main|http://mirror.example/debian/',
  'Packages|Debian|Debian|trixie|trixie|main|http://mirror.example/debian/',
  'Packages|. nodistro|. nodistro|nodistro|nodistro|main|https://deb.nodesource.com/node_20.x/',
  'Translations|Debian|Debian|bookworm|bookworm|main|http://mirror.example/debian/',
  '',
].join('\n');

it('takes the archives of the suite from the mirrors of the host, and nothing else', () => {
  const { suite, list } = planSources(parseIndexTargets(targets), 'bookworm', '/keys.gpg');
  assert.equal(suite, 'bookworm');
  assert.equal(
    list,
    `deb [signed-by=/keys.gpg] http://mirror.example/debian/ bookworm main
deb [signed-by=/keys.gpg] http://mirror.example/debian/ bookworm-updates main
deb [signed-by=/keys.gpg] http://security.example/debian-security/ bookworm-security main
`,
  );
});

it('says what to do where there is no Debian archive', () => {
  for (const [text, codename] of [
    ['', 'bookworm'],
    [targets, 'noble'],
    [targets, ''],
  ] as const) {
    assert.throws(
      () => planSources(parseIndexTargets(text), codename, undefined),
      (error: TvmError) => error.code === 'failed_precondition' && /apt-get update/.test(error.hint ?? ''),
    );
  }
});

it('carries over proxies and clock checks, and leaves hooks behind', () => {
  const dump = `Acquire::http::Proxy "http://proxy:3142";
Acquire::https::Proxy::example.org "DIRECT";
Acquire::Check-Valid-Until "false";
Acquire::http "";
DPkg::Post-Invoke:: "rm -rf /";
Acquire::http::Proxy-Auto-Detect "/usr/bin/detect";
`;
  assert.deepEqual(carriedAptSettings(dump), [
    'Acquire::http::Proxy "http://proxy:3142"',
    'Acquire::https::Proxy::example.org "DIRECT"',
    'Acquire::Check-Valid-Until "false"',
  ]);
});
