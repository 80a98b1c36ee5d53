// OpenAPI documents of what the server has: v3 a group and version, v2 for all. Made on first use and kept.
import { createHash } from 'node:crypto';
import { versionInfo } from '../http/version-info.ts';
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';
import { mapValues } from './map-values.ts';
import { pathsOf } from './paths.ts';
import { schemasOf } from './schemas.ts';
import { type PathItem, type Swagger, swaggerPathOf, swaggerSchemaOf } from './swagger.ts';
import { encodeSwagger } from './swagger-protobuf.ts';

export interface Document {
  bytes: Uint8Array;
  /** Changes when the bytes do. */
  hash: string;
}

const info = { title: 'Trashfire Vending Machine', version: versionInfo.gitVersion };

export class OpenApi {
  readonly #registry: Registry;
  readonly #documents = new Map<string, Document>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** The list of v3 documents: where each is, with its hash. */
  index(): Document {
    return this.#json('index', () => ({
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
    return this.#json(name, () => ({
      openapi: '3.0.0',
      info,
      paths: pathsOfAll(resources),
      components: { schemas: schemasOf(resources) },
    }));
  }

  v2(): Document {
    return this.#json('v2', () => this.#swagger());
  }

  /** The same as v2, as protobuf. */
  v2Protobuf(): Document {
    return this.#made('v2 protobuf', () => encodeSwagger(this.#swagger()));
  }

  #swagger(): Swagger {
    const { resources } = this.#registry;
    return {
      swagger: '2.0',
      info,
      paths: mapValues(pathsOfAll(resources), swaggerPathOf),
      definitions: mapValues(schemasOf(resources), swaggerSchemaOf),
    };
  }

  #names(): string[] {
    return [...new Set(this.#registry.resources.map(documentName))];
  }

  #json(name: string, make: () => object): Document {
    return this.#made(name, () => Buffer.from(JSON.stringify(make())));
  }

  #made(name: string, make: () => Uint8Array): Document {
    const known = this.#documents.get(name);
    if (known) return known;
    const bytes = make();
    const hash = createHash('sha512').update(bytes).digest('hex').toUpperCase();
    const document = { bytes, hash };
    this.#documents.set(name, document);
    return document;
  }
}

function pathsOfAll(resources: readonly Resource[]): Record<string, PathItem> {
  return Object.assign({}, ...resources.map(pathsOf));
}

function documentName({ group, version }: Resource): string {
  return group ? `apis/${group}/${version}` : `api/${version}`;
}
