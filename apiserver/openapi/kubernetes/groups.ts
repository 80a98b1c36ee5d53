// Kinds of Kubernetes' other groups that the server has: leases, events under their newer names, scales.
import { eventSeries, eventSource, objectReference } from './core.ts';
import { integer, kindSchema, object, type PublishedSchema, text, time } from './shapes.ts';

const lease = kindSchema(
  { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease' },
  'Says who leads, and until when.',
  {
    spec: object('The lease.', {
      holderIdentity: text('Who holds the lease; empty when nobody does.'),
      leaseDurationSeconds: integer('How long after renewTime others must wait.'),
      acquireTime: time('When the holder took the lease.'),
      renewTime: time('When the holder last renewed it.'),
      leaseTransitions: integer('How often the holder changed.'),
      strategy: text('How the next holder is chosen, when that is coordinated.'),
      preferredHolder: text('Who should take the lease next, when that is coordinated.'),
    }),
  },
);

const event = kindSchema(
  { group: 'events.k8s.io', version: 'v1', kind: 'Event' },
  'Something that happened to an object. Kept for a while only.',
  {
    regarding: objectReference('The object that it happened to.'),
    related: objectReference('Another object that has to do with it.'),
    reason: text('What happened, one word for programs.'),
    note: text('What happened, for people.'),
    type: text('Normal or Warning.'),
    eventTime: time('When it happened, to the microsecond.'),
    series: eventSeries('The repetitions that this event stands for.'),
    action: text('What was done about the object.'),
    reportingController: text('The controller that says so.'),
    reportingInstance: text('Which instance of the controller.'),
    deprecatedSource: eventSource('Who says so, under the older name.'),
    deprecatedFirstTimestamp: time('When it first happened, under the older name.'),
    deprecatedLastTimestamp: time('When it last happened, under the older name.'),
    deprecatedCount: integer('How often it happened, under the older name.'),
  },
  { required: ['eventTime'] },
);

const scale = kindSchema({ group: 'autoscaling', version: 'v1', kind: 'Scale' }, 'How many replicas an object has.', {
  spec: object('What is wanted.', { replicas: integer('How many replicas there should be.') }),
  status: object(
    'What there is.',
    {
      replicas: integer('How many replicas there are.'),
      selector: text('The label selector of the replicas.'),
    },
    { required: ['replicas'] },
  ),
});

export const scaleSchemaName = 'io.k8s.api.autoscaling.v1.Scale';

export const groupSchemas: Record<string, PublishedSchema> = {
  'io.k8s.api.coordination.v1.Lease': lease,
  'io.k8s.api.events.v1.Event': event,
  [scaleSchemaName]: scale,
};
