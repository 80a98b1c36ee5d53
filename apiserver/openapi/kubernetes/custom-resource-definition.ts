// CustomResourceDefinition, as far as the definitions of the project's own kinds go: the server has no others.
import {
  anyObject,
  flag,
  integer,
  keyedBy,
  kindSchema,
  list,
  object,
  type PublishedSchema,
  text,
  texts,
  time,
} from './shapes.ts';

const names = object(
  'What the kind is called.',
  {
    plural: text('In paths.'),
    singular: text('For one object, on the command line.'),
    kind: text('In the field kind of objects.'),
    listKind: text('In the field kind of lists.'),
    shortNames: texts('Shorter names on the command line.'),
    categories: texts('Groups of resources that the kind is in, as all.'),
  },
  { required: ['plural', 'kind'] },
);

const column = object(
  'A column of tables.',
  {
    name: text('Its title.'),
    type: text('The type of its cells: integer, number, string, boolean or date.'),
    format: text('A format of the type.'),
    description: text('What it shows.'),
    priority: integer('0 for columns that are always shown.'),
    jsonPath: text('Where in the object the cell is.'),
  },
  { required: ['name', 'type', 'jsonPath'] },
);

const scale = object(
  'Where the scale subresource finds its numbers.',
  {
    specReplicasPath: text('Path of the wanted number.'),
    statusReplicasPath: text('Path of the number that there is.'),
    labelSelectorPath: text('Path of the selector.'),
  },
  { required: ['specReplicasPath', 'statusReplicasPath'] },
);

const version = object(
  'A version of the kind.',
  {
    name: text('As v1.'),
    served: flag('Whether it can be used.'),
    storage: flag('Whether objects are stored in it.'),
    deprecated: flag('Whether users are warned of it.'),
    deprecationWarning: text('What they are told.'),
    schema: object('The schema of objects.', { openAPIV3Schema: anyObject('A structural schema in OpenAPI v3.') }),
    subresources: object('Subresources that objects have.', {
      status: anyObject('Present: status is written apart from the rest.'),
      scale,
    }),
    additionalPrinterColumns: list('Columns of tables beside the name.', column),
    selectableFields: list(
      'Fields that field selectors may use.',
      object('A field.', { jsonPath: text('Where in the object it is.') }, { required: ['jsonPath'] }),
    ),
  },
  { required: ['name', 'served', 'storage'] },
);

const condition = object(
  'One aspect of the state of a definition.',
  {
    type: text('Which aspect, as Established.'),
    status: text('True, False or Unknown.'),
    reason: text('Why, one word for programs.'),
    message: text('Why, for people.'),
    lastTransitionTime: time('When status last changed.'),
    observedGeneration: integer('The generation that this speaks of.', 'int64'),
  },
  { required: ['type', 'status'] },
);

const customResourceDefinition = kindSchema(
  { group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition' },
  'A kind that is not one of Kubernetes itself.',
  {
    spec: object(
      'The kind.',
      {
        group: text('Its API group.'),
        names,
        scope: text('Namespaced or Cluster.'),
        versions: list('Its versions.', version),
        conversion: object('How versions become each other.', { strategy: text('None: only apiVersion changes.') }),
        preserveUnknownFields: flag('Whether fields that the schema does not name are kept. Only false is allowed.'),
      },
      { required: ['group', 'names', 'scope', 'versions'] },
    ),
    status: object('The state of the definition.', {
      conditions: list('Whether the kind is served.', condition, keyedBy('type', false)),
      acceptedNames: names,
      storedVersions: texts('Versions in which objects were ever stored.'),
      observedGeneration: integer('The generation that this speaks of.', 'int64'),
    }),
  },
  { required: ['spec'] },
);

export const definitionSchemas: Record<string, PublishedSchema> = {
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition': customResourceDefinition,
};
