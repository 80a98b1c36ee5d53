// The field numbers of Kubernetes' published messages, for the kinds that kubectl writes as protobuf.
import type { Field, FieldType, Message } from './wire.ts';

const string = (name: string): Field => ({ name, type: 'string' });
const strings = (name: string): Field => ({ name, type: 'string', repeated: true });
const of = (name: string, type: FieldType): Field => ({ name, type });
const listOf = (name: string, message: Message): Field => ({ name, type: { message }, repeated: true });

const ownerReference: Message = {
  1: string('kind'),
  3: string('name'),
  4: string('uid'),
  5: string('apiVersion'),
  6: of('controller', 'bool'),
  7: of('blockOwnerDeletion', 'bool'),
};

const objectMeta: Message = {
  1: string('name'),
  2: string('generateName'),
  3: string('namespace'),
  5: string('uid'),
  6: string('resourceVersion'),
  7: of('generation', 'int'),
  8: of('creationTimestamp', 'time'),
  9: of('deletionTimestamp', 'time'),
  11: of('labels', { map: 'string' }),
  12: of('annotations', { map: 'string' }),
  13: listOf('ownerReferences', ownerReference),
  14: strings('finalizers'),
};

const metadata = of('metadata', { message: objectMeta });

const secret: Message = {
  1: metadata,
  2: of('data', { map: 'bytes' }),
  3: string('type'),
  4: of('stringData', { map: 'string' }),
  5: of('immutable', 'bool'),
};

const configMap: Message = {
  1: metadata,
  2: of('data', { map: 'string' }),
  3: of('binaryData', { map: 'bytes' }),
  4: of('immutable', 'bool'),
};

const namespace: Message = {
  1: metadata,
  2: of('spec', { message: { 1: strings('finalizers') } }),
};

const lease: Message = {
  1: metadata,
  2: of('spec', {
    message: {
      1: string('holderIdentity'),
      2: of('leaseDurationSeconds', 'int'),
      3: of('acquireTime', 'microTime'),
      4: of('renewTime', 'microTime'),
      5: of('leaseTransitions', 'int'),
      6: string('strategy'),
      7: string('preferredHolder'),
    },
  }),
};

const objectReference: Message = {
  1: string('kind'),
  2: string('namespace'),
  3: string('name'),
  4: string('uid'),
  5: string('apiVersion'),
  6: string('resourceVersion'),
  7: string('fieldPath'),
};

const series = of('series', { message: { 1: of('count', 'int'), 2: of('lastObservedTime', 'microTime') } });
const source: Message = { 1: string('component'), 2: string('host') };

const event: Message = {
  1: metadata,
  2: of('involvedObject', { message: objectReference }),
  3: string('reason'),
  4: string('message'),
  5: of('source', { message: source }),
  6: of('firstTimestamp', 'time'),
  7: of('lastTimestamp', 'time'),
  8: of('count', 'int'),
  9: string('type'),
  10: of('eventTime', 'microTime'),
  11: series,
  12: string('action'),
  13: of('related', { message: objectReference }),
  14: string('reportingComponent'),
  15: string('reportingInstance'),
};

const accessAttributes: Message = {
  1: of('resourceAttributes', {
    message: {
      1: string('namespace'),
      2: string('verb'),
      3: string('group'),
      4: string('version'),
      5: string('resource'),
      6: string('subresource'),
      7: string('name'),
    },
  }),
  2: of('nonResourceAttributes', { message: { 1: string('path'), 2: string('verb') } }),
};

const subjectAttributes: Message = { ...accessAttributes, 3: string('user'), 4: strings('groups'), 6: string('uid') };

/** A review, of which a client writes the spec alone. */
const reviewOf = (spec: Message): Message => ({ 2: of('spec', { message: spec }) });

const deleteOptions: Message = {
  1: of('gracePeriodSeconds', 'int'),
  2: of('preconditions', { message: { 1: string('uid'), 2: string('resourceVersion') } }),
  3: of('orphanDependents', 'bool'),
  4: string('propagationPolicy'),
  5: strings('dryRun'),
};

const byKind: Record<string, Message> = {
  'v1 Secret': secret,
  'v1 ConfigMap': configMap,
  'v1 Namespace': namespace,
  'v1 Event': event,
  'coordination.k8s.io/v1 Lease': lease,
  'authorization.k8s.io/v1 SelfSubjectAccessReview': reviewOf(accessAttributes),
  'authorization.k8s.io/v1 SubjectAccessReview': reviewOf(subjectAttributes),
  'authorization.k8s.io/v1 SelfSubjectRulesReview': reviewOf({ 1: string('namespace') }),
  'authentication.k8s.io/v1 TokenReview': reviewOf({ 1: string('token'), 2: strings('audiences') }),
  'authentication.k8s.io/v1 SelfSubjectReview': {},
};

/** The fields of a kind's message; undefined when this server does not read that kind as protobuf. */
export function messageOf(apiVersion: string, kind: string): Message | undefined {
  return kind === 'DeleteOptions' ? deleteOptions : byKind[`${apiVersion} ${kind}`];
}
