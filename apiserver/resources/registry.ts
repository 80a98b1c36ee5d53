// The list of all resources, and how a request finds one.
import { kinds } from '@tvm/api/kinds/kinds.ts';
import { coreResources } from './core-resources.ts';
import { customResourceOf } from './custom-resources.ts';
import type { Resource } from './resource.ts';

export class Registry {
  readonly resources: readonly Resource[];
  readonly #byPath: Map<string, Resource>;
  readonly #byKind: Map<string, Resource>;

  constructor(resources: readonly Resource[]) {
    this.resources = resources;
    this.#byPath = new Map(resources.map((one) => [`${one.group}/${one.version}/${one.plural}`, one]));
    this.#byKind = new Map(resources.map((one) => [`${one.group}/${one.kind}`, one]));
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** By the apiVersion and kind of an object or an owner reference; any version of the group. */
  findKind(apiVersion: string, kind: string): Resource | undefined {
    const slash = apiVersion.indexOf('/');
    return this.#byKind.get(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`);
  }

  /** The resource whose version is the stored one. */
  ofStorage(storage: string): Resource {
    const found = this.resources.find((one) => one.storage === storage && !one.rules.fromStored);
    if (!found) throw new Error(`no resource stores ${storage}`);
    return found;
  }

  /** Groups in order, '' first, each with its versions. */
  groups(): Map<string, string[]> {
    const groups = new Map<string, string[]>();
    for (const { group, version } of this.resources) {
      const versions = groups.get(group) ?? [];
      if (!versions.includes(version)) versions.push(version);
      groups.set(group, versions);
    }
    return groups;
  }
}

export function makeRegistry(): Registry {
  return new Registry([...coreResources, ...kinds.map(customResourceOf)]);
}
