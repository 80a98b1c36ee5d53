import assert from 'node:assert/strict';
import { test } from 'node:test';
import { argvOf } from './command.ts';

const image = 'i';

test('a command stands for itself, arguments alone go to the entrypoint, without one they are the program', () => {
  assert.deepEqual(argvOf({ image, command: ['a', 'b'], args: [] }, { entrypoint: ['entry'], cmd: [] }), ['a', 'b']);
  assert.deepEqual(argvOf({ image, command: [], args: ['b'] }, { entrypoint: ['entry', '-x'], cmd: ['c'] }), [
    'entry',
    '-x',
    'b',
  ]);
  assert.deepEqual(argvOf({ image, command: [], args: ['b', 'c'] }, { entrypoint: [], cmd: [] }), ['b', 'c']);
});

test("the image's own command is its entrypoint with its cmd; an image that says nothing is told of", () => {
  const own = { image, command: [], args: [] };
  assert.deepEqual(argvOf(own, { entrypoint: ['entry'], cmd: ['c'] }), ['entry', 'c']);
  assert.deepEqual(argvOf(own, { entrypoint: [], cmd: ['c'] }), ['c']);
  assert.throws(() => argvOf(own, { entrypoint: [], cmd: [] }), {
    code: 'failed_precondition',
    reason: 'NothingToRun',
  });
});
