import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tscKhzIn } from './host.ts';

test('the frequency of the time stamp counter is only taken where it is reliable', () => {
  assert.equal(tscKhzIn('model name\t: Intel(R) Xeon(R) CPU E5 @ 2.30GHz\ncpu MHz\t\t: 3100.1\n'), 2_300_000);
  assert.equal(tscKhzIn('cpu MHz\t\t: 2600.000\nflags\t\t: fpu constant_tsc hypervisor\n'), 2_600_000);
  assert.equal(tscKhzIn('cpu MHz\t\t: 2600.000\nflags\t\t: fpu constant_tsc\n'), undefined);
  assert.equal(tscKhzIn(''), undefined);
});
