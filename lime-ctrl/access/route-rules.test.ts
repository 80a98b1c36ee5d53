import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { kinds } from '@tvm/api/kinds/kinds.ts';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { nameOfRule, questionsOf, type Rule, routeRules, rulesOf, verbs } from './route-rules.ts';

const operations = Object.keys(routeRules);
const plurals = new Set(kinds.map(({ plural }) => plural));

test('every rule is about a kind of ours or about the path of its route', () => {
  for (const [operation, rules] of Object.entries(routeRules)) {
    const [method, path] = operation.split(' ');
    assert.match(method ?? '', /^(GET|POST|PUT|DELETE|WATCH|CONNECT|ANY)$/);
    for (const rule of rules) {
      if ('path' in rule) assert.equal(rule.path, path);
      else assert.ok(plurals.has(rule.resource), rule.resource);
      assert.ok(verbs.includes(rule.verb));
    }
    if (method === 'GET' || method === 'WATCH') {
      assert.ok(
        rules.every(({ verb }) => ['get', 'list', 'watch'].includes(verb)),
        operation,
      );
    } else
      assert.ok(
        rules.some(({ verb }) => !['get', 'list', 'watch'].includes(verb)),
        operation,
      );
  }
});

test('questions stay within the namespace and the name of the request', () => {
  const text = fc.oneof(fc.string(), fc.constant(''), fc.constant('__proto__'));
  fc.assert(
    fc.property(fc.constantFrom(...operations), text, text, (operation, namespace, name) => {
      const rules = rulesOf(operation);
      const questions = questionsOf(rules, { namespace, name });
      assert.equal(questions.length, rules.length);
      for (const question of questions) {
        if ('path' in question) continue;
        assert.equal(question.namespace, namespace);
        assert.ok(question.name === '' || question.name === name);
        if (question.verb === 'create' && question.subresource === '') assert.equal(question.name, '');
      }
      const isAboutOne = operation.includes('{name}');
      assert.ok(!isAboutOne || questions.some((question) => 'name' in question && question.name === name));
    }),
  );
});

test('what has no entry is not served', () => {
  for (const operation of ['GET /v1/secrets', 'constructor', '__proto__', 'GET /v1/microvms/']) {
    assert.throws(() => rulesOf(operation), operation);
  }
});

test('docs/access.md names every right', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/access.md'), 'utf8');
  for (const rule of Object.values(routeRules).flat()) {
    const what =
      'path' in rule ? rule.path : [rule.resource, ...(rule.subresource ? [rule.subresource] : [])].join('/');
    const line = text.split('\n').some((each) => each.includes(rule.verb) && each.includes(what));
    assert.ok(line, `${rule.verb} ${what}`);
  }
});

test('the ClusterRoles of the deployment: edit and status allow every route, view allows to look and no file', () => {
  const text = readFileSync(join(import.meta.dirname, '../../deploy/base/10-access.yaml'), 'utf8');
  const roles = new Map(
    parseAllDocuments(text).map((each) => [each.toJS().metadata.name, each.toJS().rules as Given[]]),
  );
  const allows = (names: string[], rule: Rule) =>
    names
      .flatMap((name) => roles.get(name) ?? [])
      .some(({ verbs: may, resources = [], nonResourceURLs = [] }) => {
        const about =
          'path' in rule
            ? nonResourceURLs.includes(rule.path)
            : resources.includes(nameOfRule(rule).split(' ')[1] ?? '');
        return about && may.includes(rule.verb);
      });
  for (const rule of Object.values(routeRules).flat()) {
    assert.ok(allows(['tvm-edit', 'tvm-status'], rule), nameOfRule(rule));
    const isLook = !('path' in rule) && ['get', 'list', 'watch'].includes(rule.verb);
    const isPrivate = 'subresource' in rule && (rule.subresource === 'files' || rule.subresource === 'token');
    assert.equal(allows(['tvm-view'], rule), isLook && !isPrivate, nameOfRule(rule));
  }
});

interface Given {
  verbs: string[];
  resources?: string[];
  nonResourceURLs?: string[];
}
