import assert from 'node:assert/strict';
import { test } from 'node:test';
import { argvOf } from './command.ts';

test('a command stands for itself, arguments alone go to the entrypoint, without one they are the program', () => {
  assert.deepEqual(argvOf({ command: ['a', 'b'], args: [] }, ['entry']), ['a', 'b']);
  assert.deepEqual(argvOf({ command: [], args: ['b'] }, ['entry', '-x']), ['entry', '-x', 'b']);
  assert.deepEqual(argvOf({ command: [], args: ['b', 'c'] }, []), ['b', 'c']);
});
