// Objects that the API tests create, and questions they ask about answers.
import assert from 'node:assert/strict';
import type { ApiAnswer, ApiObject } from '../api-client.ts';

export const apiVersion = 'vvm.tvm.github.com/v1alpha1';

export function microVm(name: string, more: { spec?: object; metadata?: object; status?: object } = {}): ApiObject {
  return {
    apiVersion,
    kind: 'MicroVM',
    metadata: { name, ...more.metadata },
    spec: { image: 'tvm/python', cpu: 1, memory: 256, ...more.spec },
    ...(more.status && { status: more.status }),
  };
}

/** A list for envFrom, which is one value to whoever merges. */
export function secretRefs(...names: string[]) {
  return names.map((name) => ({ secretRef: { name } }));
}

export function pool(name: string, spec: object = {}): ApiObject {
  const template = { spec: { image: 'tvm/python', cpu: 1, memory: 256 } };
  return { apiVersion, kind: 'MicroVMPool', metadata: { name }, spec: { template, ...spec } };
}

export function session(name: string, spec: object = {}): ApiObject {
  const who = { userId: 'alice', groupId: 'research' };
  return { apiVersion, kind: 'MCPSession', metadata: { name }, spec: { ...who, ...spec } };
}

export function snapshot(name: string, spec: object = {}): ApiObject {
  const source = { microVM: 'demo' };
  return { apiVersion, kind: 'MicroVMSnapshot', metadata: { name }, spec: { source, ...spec } };
}

export function configMap(name: string, data: Record<string, string> = {}, metadata: object = {}): ApiObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data };
}

/** The body of an answer that must have this status. */
export function bodyOf(answer: ApiAnswer, status = 200): ApiObject {
  assert.equal(answer.status, status, answer.text);
  return answer.body;
}

export interface ExpectedStatus {
  code: number;
  reason?: string;
  message?: string | RegExp;
  details?: object;
}

/** Asserts that an answer is a metav1.Status failure with these fields. */
export function assertFailure(answer: ApiAnswer, expected: ExpectedStatus): ApiObject {
  assert.equal(answer.status, expected.code, answer.text);
  const { kind, apiVersion: version, status, code, reason, message, details, metadata } = answer.body;
  assert.deepEqual(
    { kind, version, status, code, metadata },
    { kind: 'Status', version: 'v1', status: 'Failure', code: expected.code, metadata: {} },
  );
  if (expected.reason !== undefined) assert.equal(reason, expected.reason);
  if (typeof expected.message === 'string') assert.equal(message, expected.message);
  if (expected.message instanceof RegExp) assert.match(message, expected.message);
  if (expected.details !== undefined) assert.deepEqual(details, expected.details);
  return answer.body;
}

/** Asks until `ask` gives something, for what controllers do in their own time. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not seen in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
