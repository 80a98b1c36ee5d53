import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { namingDisks } from './guest-disks.ts';

const spec = {
  disks: [
    { name: 'data', sizeMiB: 1, mountPath: '/data' },
    { name: 'work', sizeMiB: 1, mountPath: '/work' },
  ],
} as never;
const disks = [{ serial: '1792' }, { serial: '179' }];
const failing = (message: string) =>
  namingDisks({ spec }, disks, Promise.reject(new TvmError('data_loss', message, { reason: 'Some' })));

test('what a guest says of a disk names it as its owner does, and stays what it was otherwise', async () => {
  const expected = { message: 'disk work has no file system', code: 'data_loss', reason: 'Some' };
  await assert.rejects(failing('disk 179 has no file system'), expected);
  await assert.rejects(failing('the machine is full'), { message: 'the machine is full' });
  assert.equal(await namingDisks({ spec }, disks, Promise.resolve(1)), 1);
});
