// What each REST operation asks of RBAC, as data. Invariant: an operation without an entry is not served.
// Subresources that no API server has (exec, files, execute, …) are names for Roles alone, as pods/exec is.
import type { Question } from './access.ts';

export const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] as const;
export type Verb = (typeof verbs)[number];

export type Rule =
  /** `named`: about the object in the path, so that resourceNames of a Role can single it out. */
  | { verb: Verb; resource: string; subresource?: string; named?: true }
  /** About the whole, whatever namespace: a URL, for nonResourceURLs of a ClusterRole. */
  | { verb: 'get'; path: string };

const microVm = (verb: Verb, subresource?: string): Rule => ({
  verb,
  resource: 'microvms',
  ...(subresource !== undefined && { subresource }),
  named: true,
});
const session = (verb: Verb, subresource?: string): Rule => ({
  verb,
  resource: 'mcpsessions',
  ...(subresource !== undefined && { subresource }),
  named: true,
});
const createMicroVm: Rule = { verb: 'create', resource: 'microvms' };
const createSnapshot: Rule = { verb: 'create', resource: 'microvmsnapshots' };
const execute: Rule = { verb: 'create', resource: 'microvms', subresource: 'execute' };

/** "METHOD /path"; WATCH is a GET of an event stream, CONNECT a WebSocket, ANY every method and a WebSocket. */
export const routeRules: Readonly<Record<string, readonly Rule[]>> = {
  'POST /v1/execute': [execute],
  'CONNECT /v1/execute': [execute],
  'POST /v1/microvms': [createMicroVm],
  'GET /v1/microvms': [{ verb: 'list', resource: 'microvms' }],
  'WATCH /v1/microvms': [
    { verb: 'list', resource: 'microvms' },
    { verb: 'watch', resource: 'microvms' },
  ],
  'GET /v1/microvms/{name}': [microVm('get')],
  'DELETE /v1/microvms/{name}': [microVm('delete')],
  'POST /v1/microvms/{name}/start': [microVm('patch')],
  'POST /v1/microvms/{name}/stop': [microVm('patch')],
  'POST /v1/microvms/{name}/pause': [microVm('patch')],
  'POST /v1/microvms/{name}/resume': [microVm('patch')],
  'CONNECT /v1/microvms/{name}/exec': [microVm('create', 'exec')],
  'ANY /v1/microvms/{name}/ports/{port}/{path}': [microVm('create', 'ports')],
  'CONNECT /v1/microvms/{name}/tunnels/{port}': [microVm('create', 'ports')],
  'POST /v1/microvms/{name}/port-urls': [microVm('create', 'ports')],
  'GET /v1/microvms/{name}/processes': [microVm('get', 'processes')],
  'GET /v1/microvms/{name}/logs': [microVm('get', 'log')],
  'GET /v1/microvms/{name}/metrics': [microVm('get', 'metrics')],
  'GET /v1/microvms/{name}/files': [microVm('get', 'files')],
  'GET /v1/microvms/{name}/files/stat': [microVm('get', 'files')],
  'GET /v1/microvms/{name}/files/content': [microVm('get', 'files')],
  'PUT /v1/microvms/{name}/files/content': [microVm('update', 'files')],
  'POST /v1/microvms/{name}/files': [microVm('update', 'files')],
  'DELETE /v1/microvms/{name}/files': [microVm('delete', 'files')],
  'POST /v1/microvms/{name}/snapshot': [microVm('get'), createSnapshot],
  'POST /v1/microvms/{name}/fork': [microVm('get'), createSnapshot, createMicroVm],
  'GET /v1/disks': [{ verb: 'list', resource: 'microvms', subresource: 'disks' }],
  'DELETE /v1/disks/{name}/{disk}': [microVm('delete', 'disks')],
  'GET /v1/snapshots': [{ verb: 'list', resource: 'microvmsnapshots' }],
  'GET /v1/snapshots/{name}': [{ verb: 'get', resource: 'microvmsnapshots', named: true }],
  'DELETE /v1/snapshots/{name}': [{ verb: 'delete', resource: 'microvmsnapshots', named: true }],
  'POST /v1/pools': [{ verb: 'create', resource: 'microvmpools' }],
  'GET /v1/pools': [{ verb: 'list', resource: 'microvmpools' }],
  'GET /v1/pools/{name}': [{ verb: 'get', resource: 'microvmpools', named: true }],
  'POST /v1/pools/{name}/scale': [{ verb: 'patch', resource: 'microvmpools', named: true }],
  'DELETE /v1/pools/{name}': [{ verb: 'delete', resource: 'microvmpools', named: true }],
  // Whoever may make a session may have code run in machines that are for sessions.
  'POST /v1/sessions': [{ verb: 'create', resource: 'mcpsessions' }],
  'GET /v1/sessions': [{ verb: 'list', resource: 'mcpsessions' }],
  'GET /v1/sessions/{name}': [session('get')],
  'DELETE /v1/sessions/{name}': [session('delete')],
  'GET /v1/sessions/{name}/token': [session('get', 'token')],
  'POST /v1/sessions/{name}/rotate': [session('patch')],
  'GET /v1/status': [{ verb: 'get', path: '/v1/status' }],
  'GET /v1/images': [{ verb: 'get', path: '/v1/images' }],
};

/** For people: "create microvms/exec". */
export function nameOfRule(rule: Rule | Question): string {
  if ('path' in rule) return `${rule.verb} ${rule.path}`;
  return `${rule.verb} ${rule.resource}${rule.subresource ? `/${rule.subresource}` : ''}`;
}

/** Throws when the operation has no entry. */
export function rulesOf(operation: string): readonly Rule[] {
  const rules = Object.hasOwn(routeRules, operation) ? routeRules[operation] : undefined;
  if (rules === undefined || rules.length === 0) throw new Error(`${operation} has no entry in route-rules.ts`);
  return rules;
}

/** `namespace`: empty for all; `name`: of the object in the path, if any. */
export function questionsOf(rules: readonly Rule[], { namespace, name = '' }: { namespace: string; name?: string }) {
  return rules.map((rule): Question => {
    if ('path' in rule) return rule;
    const { verb, resource, subresource = '', named } = rule;
    return { verb, resource, subresource, namespace, name: named ? name : '' };
  });
}
