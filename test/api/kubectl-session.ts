// kubectl as the tests of it use it: two versions, commands that must succeed, and the manifest of a MicroVM.
import assert from 'node:assert/strict';
import type { ApiObject } from '../api-client.ts';
import { obtainDebianKubectl } from '../cluster/debian-kubectl.ts';
import { say } from '../cluster/open-server.ts';
import type { CommandOptions } from '../cluster/run-command.ts';
import { readConfig } from '../config.ts';
import { bodyOf, microVm } from './objects.ts';
import { onEachTarget, type Scope } from './scope.ts';

/** Describes tests for every wanted target and each kubectl: that of the cluster's version, and Debian's older one. */
export function onEachKubectl(title: string, body: (scope: Scope) => void): void {
  onEachTarget(`kubectl ${title}`, body);
  onEachTarget(`Debian's kubectl ${title}`, body, () => obtainDebianKubectl(readConfig(), say));
}

/** YAML of a MicroVM; `spec` is more lines of its spec, indented by two. */
export function manifest(name: string, spec = ''): string {
  return `apiVersion: vvm.tvm.github.com/v1alpha1
kind: MicroVM
metadata: {name: ${name}}
spec:
  image: tvm/python
  cpu: 1
  memory: 256
${spec}`;
}

export function kubectlSession(scope: Scope) {
  /** Standard output of a command that must succeed. */
  const kubectl = async (args: string[], options: CommandOptions = {}): Promise<string> => {
    const result = await scope.kubectl(args, options);
    assert.equal(result.exitCode, 0, `kubectl ${args.join(' ')}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  };
  return {
    kubectl,
    apply: (input: string, ...more: string[]) => kubectl(['apply', '-f', '-', ...more], { input }),
    make: async (name: string, more = {}): Promise<ApiObject> =>
      bodyOf(await scope.api.create(scope.path('microvms'), microVm(name, more)), 201),
    read: async (name: string): Promise<ApiObject> => bodyOf(await scope.api.get(scope.path('microvms', name))),
  };
}
