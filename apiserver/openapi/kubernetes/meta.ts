// What all kinds share: metadata of objects and lists, and the bodies of deletes, patches and errors.
import {
  anyObject,
  flag,
  integer,
  keyedBy,
  list,
  metaPackage,
  metaReference,
  object,
  type PublishedSchema,
  text,
  textMap,
  texts,
  time,
  typeMeta,
} from './shapes.ts';

const ownerReference = object(
  'An object that this one depends on.',
  {
    apiVersion: text('Group and version of the owner.'),
    kind: text('Kind of the owner.'),
    name: text('Name of the owner.'),
    uid: text('UID of the owner.'),
    controller: flag('Whether the owner is the controller of this object; at most one is.'),
    blockOwnerDeletion: flag('Whether an owner deleted in the foreground waits for this object to go.'),
  },
  { required: ['apiVersion', 'kind', 'name', 'uid'], 'x-kubernetes-map-type': 'atomic' },
);

const managedFieldsEntry = object('The fields that one manager set by one sort of request.', {
  manager: text('Who set the fields.'),
  operation: text('How: Apply or Update.'),
  apiVersion: text('The version of the object that the fields are of.'),
  time: time('When the entry last changed.'),
  fieldsType: text('The form of fieldsV1, which is FieldsV1.'),
  fieldsV1: anyObject(
    'The fields as a tree: f:NAME a field, k:KEYS an item by its keys, v:VALUE an item by its value.',
  ),
  subresource: text('The subresource through which the fields were set; empty for the object itself.'),
});

const objectMeta = object('What every stored object has.', {
  name: text('Name, unique among objects of the kind in the namespace. Cannot be changed.'),
  generateName: text('The beginning of a name that the server completes when name is empty.'),
  namespace: text('The namespace that the object is in. Cannot be changed.'),
  uid: text('Unique over all time, given by the server.'),
  resourceVersion: text('Changes with each change of the object; send it back to change only what was read.'),
  generation: integer('Counts changes of what is wanted of the object.', 'int64'),
  creationTimestamp: time('When the object was created, by the clock of the server.'),
  deletionTimestamp: time('When the object was asked to be deleted; it goes once its finalizers are gone.'),
  deletionGracePeriodSeconds: integer('How long the object may take to end before it is removed.', 'int64'),
  labels: textMap('Names and values by which objects are selected.'),
  annotations: textMap('Names and values for people and tools, which select nothing.'),
  finalizers: texts('Those who have something to do before the object may go.', {
    'x-kubernetes-list-type': 'set',
    'x-kubernetes-patch-strategy': 'merge',
  }),
  ownerReferences: list(
    'Objects that this one depends on: it is collected when they are all gone.',
    ownerReference,
    keyedBy('uid'),
  ),
  managedFields: list('Which fields were set by whom.', managedFieldsEntry),
  selfLink: text('Not set any more.'),
});

const listMeta = object('What every list has.', {
  resourceVersion: text('The version of the store at which the list was read: where a watch goes on.'),
  continue: text('Ask with this for the next page; empty on the last one.'),
  remainingItemCount: integer('How many objects follow this page, where that is known.', 'int64'),
  selfLink: text('Not set any more.'),
});

const statusCause = object('One thing that is wrong.', {
  reason: text('What sort of error this is, for programs.'),
  message: text('What is wrong, for people.'),
  field: text('The field that is wrong, as spec.names[0].'),
});

const statusDetails = object('What the error is about.', {
  name: text('Name of the object.'),
  group: text('Group of the resource.'),
  kind: text('Kind or resource of the object.'),
  uid: text('UID of the object.'),
  causes: list('Everything that is wrong.', statusCause),
  retryAfterSeconds: integer('How long to wait before the next try.'),
});

const status = object(
  'How a request ended that gives no object.',
  {
    ...typeMeta,
    metadata: metaReference('Metadata of lists.', 'ListMeta'),
    status: text('Success or Failure.'),
    message: text('What happened, for people.'),
    reason: text('Why, one word for programs.'),
    details: statusDetails,
    code: integer('The HTTP status code.'),
  },
  { 'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind: 'Status' }] },
);

const preconditions = object('The object is deleted only if it still has these.', {
  uid: text('The UID it must have.'),
  resourceVersion: text('The resourceVersion it must have.'),
});

const deleteOptions = object('How an object is deleted.', {
  ...typeMeta,
  gracePeriodSeconds: integer('How long the object may take to end.', 'int64'),
  preconditions,
  orphanDependents: flag('Older form of propagationPolicy: true is Orphan, false Background.'),
  propagationPolicy: text('What becomes of dependents: Orphan, Background or Foreground.'),
  dryRun: texts('All: nothing is deleted.'),
});

const named = {
  ObjectMeta: objectMeta,
  ListMeta: listMeta,
  Status: status,
  DeleteOptions: deleteOptions,
  Patch: anyObject('A change of an object, in the form that Content-Type names.'),
};

export const metaSchemas: Record<string, PublishedSchema> = Object.fromEntries(
  Object.entries(named).map(([name, schema]) => [`${metaPackage}.${name}`, schema]),
);
