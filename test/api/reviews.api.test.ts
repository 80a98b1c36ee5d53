// The questions about tokens, users and what they may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readKubeconfig } from '../cluster/kubeconfig.ts';
import { assertFailure, bodyOf } from './objects.ts';
import { onEachTarget } from './scope.ts';

const paths: Record<string, string> = {
  TokenReview: '/apis/authentication.k8s.io/v1/tokenreviews',
  SelfSubjectReview: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
  SubjectAccessReview: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
  SelfSubjectAccessReview: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
};

onEachTarget('reviews', (scope) => {
  const ask = (kind: string, spec?: object) => {
    const path = paths[kind] ?? '';
    const apiVersion = path.split('/').slice(2, 4).join('/');
    return scope.api.create(path, { apiVersion, kind, ...(spec && { spec }) });
  };
  const resourceAttributes = { namespace: 'default', verb: 'get', resource: 'secrets' };

  test('whose token it is', async () => {
    const { token } = await readKubeconfig(scope.server.kubeconfig);
    const { status } = bodyOf(await ask('TokenReview', { token }), 201);
    assert.equal(status.authenticated, true);
    assert.equal(status.user.username, 'admin');
    assert.ok(status.user.groups.includes('system:masters'));
    const wrong = bodyOf(await ask('TokenReview', { token: 'wrong' }), 201);
    assert.deepEqual(wrong.status, { user: {}, error: 'invalid bearer token' });
    assertFailure(await ask('TokenReview', {}), {
      code: 400,
      reason: 'BadRequest',
      message: 'token is required for TokenReview in authentication',
    });
  });

  test('for whom a token is', async () => {
    const { token } = await readKubeconfig(scope.server.kubeconfig);
    const own = 'https://kubernetes.default.svc';
    const whole = bodyOf(await ask('TokenReview', { token }), 201).status;
    assert.deepEqual([whole.authenticated, whole.audiences], [true, [own]]);
    const both = bodyOf(await ask('TokenReview', { token, audiences: ['tvm', own] }), 201).status;
    assert.deepEqual([both.authenticated, both.audiences], [true, [own]]);
    const other = bodyOf(await ask('TokenReview', { token, audiences: ['tvm'] }), 201).status;
    assert.deepEqual(other, { user: {}, error: 'invalid bearer token' });
  });

  test('who one is', async () => {
    const { status } = bodyOf(await ask('SelfSubjectReview'), 201);
    assert.equal(status.userInfo.username, 'admin');
    assert.ok(status.userInfo.groups.includes('system:masters'));
  });

  test('what one may do, and what another may', async () => {
    assert.equal(bodyOf(await ask('SelfSubjectAccessReview', { resourceAttributes }), 201).status.allowed, true);
    const another = { user: 'bob', resourceAttributes };
    assert.equal(bodyOf(await ask('SubjectAccessReview', another), 201).status.allowed, false);
    const mighty = { ...another, groups: ['system:masters'] };
    assert.equal(bodyOf(await ask('SubjectAccessReview', mighty), 201).status.allowed, true);
  });

  test('a question about nobody or nothing', async () => {
    assertFailure(await ask('SubjectAccessReview', {}), {
      code: 422,
      reason: 'Invalid',
      message: /spec: Invalid value: .*exactly one of .*, spec\.user: Invalid value: "": at least one of user or group/,
    });
    assertFailure(await ask('SelfSubjectAccessReview', {}), { code: 422, reason: 'Invalid' });
    assert.equal((await scope.api.get(paths.TokenReview ?? '')).status, 405);
  });
});
