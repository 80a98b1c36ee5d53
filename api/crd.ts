// A kind as the CustomResourceDefinition that teaches it to an API server.
import type { z } from 'zod';
import { group, type Kind, version } from './kinds/meta.ts';
import { openApiSchemaOf, type StructuralSchema } from './structural-schema.ts';

export { openApiSchemaOf, type StructuralSchema } from './structural-schema.ts';

const apiVersionDescription = 'The group and version of the schema that this object follows.';
const kindDescription = 'The kind of this object.';

/** The structural schema of a whole object: apiVersion, kind, metadata, spec (required) and status. */
export function objectSchemaOf(kind: Kind): StructuralSchema {
  return {
    type: 'object',
    description: kind.description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: apiVersionDescription },
      kind: { type: 'string', description: kindDescription },
      metadata: metadataSchemaOf(kind),
      spec: openApiSchemaOf(kind.spec),
      status: statusSchemaOf(kind.status),
    },
  };
}

/** A CRD may say nothing of metadata but what names are allowed. */
function metadataSchemaOf({ maxNameLength }: Kind): StructuralSchema {
  if (maxNameLength === undefined) return { type: 'object' };
  return { type: 'object', properties: { name: { type: 'string', maxLength: maxNameLength } } };
}

function statusSchemaOf(status: z.ZodType): StructuralSchema {
  return { description: 'What was last seen; written by the controller.', ...openApiSchemaOf(status) };
}

/** The CustomResourceDefinition (apiextensions.k8s.io/v1) of a kind: one namespaced, stored version. */
export function crdOf(kind: Kind) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: kind.shortNames,
        categories: kind.categories,
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {}, ...(kind.scale && { scale: kind.scale }) },
          additionalPrinterColumns: kind.columns,
          selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })),
          schema: { openAPIV3Schema: objectSchemaOf(kind) },
        },
      ],
    },
  };
}
export type CustomResourceDefinition = ReturnType<typeof crdOf>;
