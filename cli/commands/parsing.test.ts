// What people type: quantities, variables, languages, paths in machines. Wrong input is a usage error, never a guess.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../config.ts';
import { formatError } from '../output/format-error.ts';
import { printable } from '../output/progress.ts';
import { age, parseOutputFormat, table } from '../output/table.ts';
import { machinePath } from './copy-run.ts';
import { codeSource, languageOf } from './execute-request.ts';
import { findKubectl } from './kubectl-run.ts';
import { parseDisk } from './parse-disk.ts';
import { parseLimits } from './parse-limits.ts';
import { parseCount, parseMegabytes, parseSeconds, parseVariables } from './parse-options.ts';

const usage = { reason: 'Usage' };

test('times, memory, counts', () => {
  assert.deepEqual(['90', '90s', '1.5m', '2H'].map(parseSeconds), [90, 90, 90, 7200]);
  assert.deepEqual(['512', '512M', '2G', '0.5gb'].map(parseMegabytes), [512, 512, 2048, 512]);
  assert.equal(parseCount('12', 'cpus'), 12);
  for (const bad of ['', '0', '-1', '1e3', 'abc', '1d', '∞', '0x10', '1 2', 'toString']) {
    assert.throws(() => parseSeconds(bad), usage, bad);
    assert.throws(() => parseMegabytes(bad), usage, bad);
    if (bad !== '1d') assert.throws(() => parseCount(bad, 'cpus'), usage, bad);
  }
  assert.throws(() => parseMegabytes('0.3'), usage);
});

test('variables', () => {
  assert.deepEqual(parseVariables(['A=1', 'B=', 'C=a=b', 'HOME'], { HOME: '/h' }), {
    A: '1',
    B: '',
    C: 'a=b',
    HOME: '/h',
  });
  for (const bad of ['', '=x', '1A=x', 'A B=x', 'UNSET']) assert.throws(() => parseVariables([bad], {}), usage, bad);
});

test('where the code is', () => {
  assert.deepEqual(codeSource(['x', 'a'], undefined), { source: { kind: 'text', text: 'x' }, args: ['a'] });
  assert.deepEqual(codeSource(['-', 'a'], undefined), { source: { kind: 'stdin' }, args: ['a'] });
  assert.deepEqual(codeSource(['a', 'b'], 'f.py'), { source: { kind: 'file', path: 'f.py' }, args: ['a', 'b'] });
  assert.throws(() => codeSource([], undefined), usage);
});

test('the language: as asked, by suffix, by first line, python', () => {
  const file = (path: string) => ({ kind: 'file', path }) as const;
  const text = { kind: 'text', text: '' } as const;
  assert.equal(languageOf('bash', file('x.py'), ''), 'bash');
  assert.equal(languageOf(undefined, file('a/x.PY'), '#!/bin/bash'), 'python');
  assert.equal(languageOf(undefined, file('x.cjs'), ''), 'node');
  assert.equal(languageOf(undefined, file('x'), '#!/usr/bin/env node\n1'), 'node');
  assert.equal(languageOf(undefined, file('x'), '#! /bin/sh -e\n1'), 'bash');
  assert.equal(languageOf(undefined, text, '#!/usr/bin/python3.11\n'), 'python');
  assert.equal(languageOf(undefined, text, 'x'), 'python');
  assert.throws(() => languageOf(undefined, file('x.rb'), ''), usage);
  assert.throws(() => languageOf('cobol', text, ''), usage);
});

test('paths in machines', () => {
  assert.deepEqual(machinePath('demo:/a:b'), { name: 'demo', path: '/a:b' });
  for (const local of ['./a:b', '/x:/y', 'plain', 'Upper:/x']) assert.equal(machinePath(local), undefined);
  assert.throws(() => machinePath('demo:relative'), usage);
});

test('errors and progress cannot drive the terminal', () => {
  assert.equal(printable('a\x1b[2J\nb\x07\u202e'), 'a [2J b');
  assert.equal(formatError(new Error('x\x1b]0;evil\x07')), 'vvm: unexpected failure: x?]0;evil?');
});

test('tables, ages, formats', () => {
  assert.equal(table(['A', 'B'], [['long', 'x']]), 'A     B\nlong  x\n');
  const now = Date.parse('2026-01-02T00:00:00Z');
  const ages = ['2026-01-01T23:59:15Z', '2026-01-01T23:00:00Z', '2026-01-01T00:00:00Z', '2025-12-01T00:00:00Z', 'x'];
  assert.deepEqual(
    ages.map((from) => age(from, now)),
    ['45s', '60m', '24h', '32d', '<unknown>'],
  );
  assert.throws(() => parseOutputFormat('xml'), usage);
});

test('settings that contradict each other, and a missing kubectl, say what to do', () => {
  assert.throws(() => readConfig({ TVM_SERVER: 'http://x' }), { code: 'invalid_argument' });
  assert.throws(() => readConfig({ TVM_SERVER: 'x', TVM_TOKEN: 'y' }), /TVM_SERVER is "x"/);
  assert.throws(() => findKubectl({ cache: '/nowhere', environment: { PATH: '' } }), { code: 'not_found' });
});

test('disks', () => {
  const data = { name: 'data', sizeMB: 1024, mountPath: '/data', retain: false };
  assert.deepEqual(parseDisk('name=data,size=1G,mount=/data'), data);
  assert.deepEqual(parseDisk('mount=/data, size=1024, name=data, retain'), { ...data, retain: true });
  assert.deepEqual(parseDisk('name=data,size=1G,mount=/data,retain=false'), data);
  for (const bad of ['', 'data', 'name=data,size=1G', 'name=data,size=big,mount=/data', 'name=a,size=1,mount=/a,rw']) {
    assert.throws(() => parseDisk(bad), usage, bad);
  }
});

test('limits', () => {
  assert.deepEqual(parseLimits(['cpuPercent=50', 'processes=64']), { cpuPercent: 50, processes: 64 });
  for (const bad of ['', 'cpuPercent', 'cpuPercent=', 'cpuPercent=0.5', 'cpuPercent=-1', 'processes=1=2', 'memory=1']) {
    assert.throws(() => parseLimits([bad]), usage, bad);
  }
});
