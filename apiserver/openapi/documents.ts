// OpenAPI documents of what the server has: v3 a group and version, v2 for all. Made on first use and kept.
import { createHash } from 'node:crypto';
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';
import { pathsOf } from './paths.ts';
import { schemasOf } from './schemas.ts';

export interface Document {
  text: string;
  /** Changes when the text does. */
  hash: string;
}

export class OpenApi {
  readonly #registry: Registry;
  readonly #documents = new Map<string, Document>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** The list of v3 documents: where each is, with its hash. */
  index(): Document {
    return this.#made('index', () => ({
      paths: Object.fromEntries(
        this.#names().map((name) => {
          const hash = this.v3(name)?.hash;
          return [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }];
        }),
      ),
    }));
  }

  /** By the name that the list gives, `api/v1` or `apis/GROUP/VERSION`. */
  v3(name: string): Document | undefined {
    const resources = this.#registry.resources.filter((resource) => documentName(resource) === name);
    if (resources.length === 0) return undefined;
    return this.#made(name, () => ({
      openapi: '3.0.0',
      info: { title: 'Trashfire Vending Machine', version: 'v1.37.2' },
      paths: Object.assign({}, ...resources.map((resource) => pathsOf(resource))),
      components: { schemas: schemasOf(resources) },
    }));
  }

  v2(): Document {
    return this.#made('v2', () => {
      const document = {
        swagger: '2.0',
        info: { title: 'Trashfire Vending Machine', version: 'v1.37.2' },
        paths: {},
        definitions: schemasOf(this.#registry.resources),
      };
      return JSON.parse(JSON.stringify(document).replaceAll('#/components/schemas/', '#/definitions/'));
    });
  }

  #names(): string[] {
    return [...new Set(this.#registry.resources.map(documentName))];
  }

  #made(name: string, make: () => object): Document {
    const known = this.#documents.get(name);
    if (known) return known;
    const text = JSON.stringify(make());
    const hash = createHash('sha512').update(text).digest('hex').toUpperCase();
    const document = { text, hash };
    this.#documents.set(name, document);
    return document;
  }
}

function documentName({ group, version }: Resource): string {
  return group ? `apis/${group}/${version}` : `api/${version}`;
}
