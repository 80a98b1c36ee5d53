// The kinds of the core group that the server has.
import {
  flag,
  integer,
  keyedBy,
  kindSchema,
  list,
  object,
  type PublishedSchema,
  text,
  textMap,
  texts,
  time,
} from './shapes.ts';

const coreType = (kind: string) => ({ group: '', version: 'v1', kind });

const condition = object(
  'One aspect of the state of a namespace.',
  {
    type: text('Which aspect.'),
    status: text('True, False or Unknown.'),
    reason: text('Why, one word for programs.'),
    message: text('Why, for people.'),
    lastTransitionTime: time('When status last changed.'),
  },
  { required: ['type', 'status'] },
);

const namespace = kindSchema(coreType('Namespace'), 'A scope for names.', {
  spec: object('What holds the namespace.', {
    finalizers: texts('Those who must let go before the namespace ends.'),
  }),
  status: object('The state of the namespace.', {
    phase: text('Active, or Terminating while what is in it is deleted.', { enum: ['Active', 'Terminating'] }),
    conditions: list('What keeps the namespace from ending.', condition, keyedBy('type')),
  }),
});

const secret = kindSchema(coreType('Secret'), 'Confidential data of up to 1 MiB.', {
  data: textMap('The data by key, each value in base64.', { format: 'byte' }),
  stringData: textMap('Data as plain text, which is written to data and never read back.'),
  type: text('What the data is, as Opaque or kubernetes.io/tls. Cannot be changed.'),
  immutable: flag('Whether the data can no longer be changed.'),
});

const configMap = kindSchema(coreType('ConfigMap'), 'Configuration data of up to 1 MiB.', {
  data: textMap('The data by key, as text.'),
  binaryData: textMap('Data by key that is no text, each value in base64.', { format: 'byte' }),
  immutable: flag('Whether the data can no longer be changed.'),
});

/** A reference to any object. */
export function objectReference(description: string): PublishedSchema {
  const properties = {
    apiVersion: text('Group and version of the object.'),
    kind: text('Kind of the object.'),
    namespace: text('Namespace of the object.'),
    name: text('Name of the object.'),
    uid: text('UID of the object.'),
    resourceVersion: text('The version of the object that is meant.'),
    fieldPath: text('The part of the object that is meant.'),
  };
  return object(description, properties, { 'x-kubernetes-map-type': 'atomic' });
}

export function eventSource(description: string): PublishedSchema {
  return object(description, {
    component: text('The program.'),
    host: text('The node on which it ran.'),
  });
}

export function eventSeries(description: string): PublishedSchema {
  return object(description, {
    count: integer('How often it happened up to now.'),
    lastObservedTime: time('When it last happened.'),
  });
}

const event = kindSchema(
  coreType('Event'),
  'Something that happened to an object. Kept for a while only.',
  {
    involvedObject: objectReference('The object that it happened to.'),
    reason: text('What happened, one word for programs.'),
    message: text('What happened, for people.'),
    type: text('Normal or Warning.'),
    source: eventSource('Who says so.'),
    firstTimestamp: time('When it first happened.'),
    lastTimestamp: time('When it last happened.'),
    count: integer('How often it happened.'),
    eventTime: time('When it happened, to the microsecond.'),
    series: eventSeries('The repetitions that this event stands for.'),
    action: text('What was done about the object.'),
    related: objectReference('Another object that has to do with it.'),
    reportingComponent: text('The controller that says so.'),
    reportingInstance: text('Which instance of the controller.'),
  },
  { required: ['metadata', 'involvedObject'] },
);

export const coreGroupSchemas: Record<string, PublishedSchema> = {
  'io.k8s.api.core.v1.Namespace': namespace,
  'io.k8s.api.core.v1.Secret': secret,
  'io.k8s.api.core.v1.ConfigMap': configMap,
  'io.k8s.api.core.v1.Event': event,
};
