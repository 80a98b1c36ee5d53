import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { memoryOf } from './memory-map.ts';

const smaps = `7f0000000000-7f0010000000 rw-p 00000000 00:2a 1234  /home/x/templates/ab/memory
Rss:               20480 kB
Pss:                9000 kB
Shared_Clean:      12000 kB
Private_Clean:        80 kB
Private_Dirty:      8192 kB
Anonymous:          8192 kB
VmFlags: rd wr mr mw me
55d000000000-55d000100000 r-xp 00000000 fe:00 99  /usr/bin/qemu-system-x86_64
Pss:                 500 kB
Private_Clean:         0 kB
Private_Dirty:       100 kB
Anonymous:           100 kB
7f410c000000-7f414bfff000 rwxp 00000000 00:00 0
Pss:               30000 kB
Private_Dirty:     30000 kB
Anonymous:         30000 kB
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
Pss:                  40 kB
Private_Dirty:        40 kB
Anonymous:            40 kB
`;

test('of the shared file only what was copied counts; translated code is told', () => {
  const kib = 1024;
  assert.deepEqual(
    memoryOf(smaps, (path) => path.endsWith('/memory')),
    {
      pssBytes: 39_540 * kib,
      privateBytes: (80 + 8192 + 100 + 30_000 + 40) * kib,
      beyondSharedBytes: (8192 + 500 + 30_000 + 40) * kib,
      copiedBytes: 8192 * kib,
      translatedBytes: 30_000 * kib,
    },
  );
  const nothing = memoryOf('', () => true);
  assert.deepEqual(new Set(Object.values(nothing)), new Set([0]));
});

test('it reads what this kernel writes', () => {
  const { pssBytes, privateBytes, beyondSharedBytes } = memoryOf(readFileSync('/proc/self/smaps', 'utf8'), () => false);
  assert.ok(pssBytes > 1_000_000 && privateBytes > 1_000_000);
  assert.equal(beyondSharedBytes, pssBytes);
});
