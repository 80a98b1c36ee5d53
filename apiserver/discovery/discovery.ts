// What the server has, told to clients: /api, /apis, /apis/GROUP, /apis/GROUP/VERSION, and all at once in aggregated form.
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';

/** A kind that is only asked, never stored. */
export interface ReviewKind {
  group: string;
  kind: string;
  plural: string;
}

const objectVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const subresourceVerbs = ['get', 'patch', 'update'];

export class Discovery {
  readonly #registry: Registry;
  readonly #reviews: readonly ReviewKind[];

  constructor(registry: Registry, reviews: readonly ReviewKind[]) {
    this.#registry = registry;
    this.#reviews = reviews;
  }

  /** Groups but the core one, each with its versions. */
  groups(): Map<string, string[]> {
    const groups = this.#registry.groups();
    groups.delete('');
    for (const { group } of this.#reviews) groups.set(group, ['v1']);
    return groups;
  }

  coreVersions(address: string) {
    return {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
    };
  }

  groupList() {
    const groups = [...this.groups()].map(([name, versions]) => groupOf(name, versions));
    return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  }

  group(name: string) {
    const versions = this.groups().get(name);
    return versions && { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(name, versions) };
  }

  resourceList(group: string, version: string) {
    const resources = this.#registry.resources.filter((one) => one.group === group && one.version === version);
    const reviews = version === 'v1' ? this.#reviews.filter((one) => one.group === group) : [];
    if (resources.length === 0 && reviews.length === 0) return undefined;
    return {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: group ? `${group}/${version}` : version,
      resources: [...resources.flatMap(entriesOf), ...reviews.map(reviewEntry)],
    };
  }

  /** `core`: the core group alone, else all others. */
  aggregated(core: boolean, version: 'v2' | 'v2beta1') {
    const groups = core ? new Map([['', ['v1']]]) : this.groups();
    const items = [...groups].map(([name, versions]) => ({
      metadata: core ? {} : { name },
      versions: versions.map((one) => ({
        version: one,
        resources: this.#aggregatedResources(name, one),
        freshness: 'Current',
      })),
    }));
    return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
  }

  #aggregatedResources(group: string, version: string) {
    const resources = this.#registry.resources.filter((one) => one.group === group && one.version === version);
    const reviews = this.#reviews.filter((one) => one.group === group);
    return [...resources.map(aggregatedEntry), ...reviews.map(aggregatedReview)];
  }
}

function groupOf(name: string, versions: string[]) {
  const list = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: list, preferredVersion: list[0] };
}

function entriesOf(resource: Resource) {
  const { plural, singular, namespaced, kind, shortNames, categories } = resource;
  const main = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: verbsOf(resource),
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
  };
  const subresources = resource.subresources.map((name) => ({
    name: `${plural}/${name}`,
    singularName: '',
    namespaced,
    kind,
    verbs: name === 'finalize' ? ['update'] : subresourceVerbs,
  }));
  const scale = {
    name: `${plural}/scale`,
    singularName: '',
    namespaced,
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
    verbs: subresourceVerbs,
  };
  return [main, ...subresources, ...(resource.scale ? [scale] : [])];
}

function verbsOf({ rules }: Resource): string[] {
  return rules.deletedOneByOne ? objectVerbs.filter((verb) => verb !== 'deletecollection') : objectVerbs;
}

function reviewEntry({ plural, kind }: ReviewKind) {
  return { name: plural, singularName: kind.toLowerCase(), namespaced: false, kind, verbs: ['create'] };
}

function aggregatedEntry(resource: Resource) {
  const { plural, singular, kind, group, version, namespaced, shortNames, categories } = resource;
  const responseKind = { group, version, kind };
  const subresources = [
    ...resource.subresources.map((subresource) => ({
      subresource,
      responseKind,
      verbs: subresource === 'finalize' ? ['update'] : subresourceVerbs,
    })),
    ...(resource.scale
      ? [
          {
            subresource: 'scale',
            responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
            verbs: subresourceVerbs,
          },
        ]
      : []),
  ];
  return {
    resource: plural,
    responseKind,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs: verbsOf(resource),
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}

function aggregatedReview({ group, kind, plural }: ReviewKind) {
  return {
    resource: plural,
    responseKind: { group, version: 'v1', kind },
    scope: 'Cluster',
    singularResource: kind.toLowerCase(),
    verbs: ['create'],
  };
}
