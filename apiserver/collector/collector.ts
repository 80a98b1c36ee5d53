// Collects what nobody owns any more and empties namespaces that are being deleted. Level-triggered: every decision is
// read from the store, so a restart continues where it was. Work is done in small steps between requests.
import type { Logger } from '@tvm/kit/log.ts';
import { isBeingDeleted, nameOf, ownersOf } from '../objects/api-object.ts';
import type { Services } from '../objects/services.ts';
import type { Change } from '../store/change.ts';
import { collectDependents, collectIfOrphaned, finishOwner } from './dependents.ts';
import { emptyNamespace } from './namespaces.ts';

type Task = () => void;

/** Runs until disposed. */
export function startCollector(services: Services, log: Logger): Disposable {
  const queue: Task[] = [];
  let scheduled: NodeJS.Immediate | undefined;
  const step = () => {
    scheduled = undefined;
    const task = queue.shift();
    try {
      task?.();
    } catch (error) {
      log.error({ err: error }, 'collection failed');
    }
    if (queue.length > 0) scheduled = setImmediate(step);
  };
  const add = (...tasks: Task[]) => {
    queue.push(...tasks);
    if (queue.length > 0) scheduled ??= setImmediate(step);
  };
  const stop = services.store.listen((change) => add(...tasksFor(services, change)));
  add(...unfinished(services));
  return {
    [Symbol.dispose]() {
      stop();
      clearImmediate(scheduled);
    },
  };
}

/** What a change may call for. */
function tasksFor(services: Services, { type, object, storage, namespace, previous }: Change): Task[] {
  const tasks: Task[] = [];
  const uid = object.metadata.uid ?? '';
  if (storage === 'namespaces' && isBeingDeleted(object)) tasks.push(() => emptyNamespace(services, nameOf(object)));
  if (type === 'DELETED') {
    tasks.push(() => collectDependents(services, uid));
    for (const owner of ownersOf(object)) tasks.push(() => finishOwner(services, owner.uid));
    if (namespace) tasks.push(() => emptyNamespace(services, namespace));
    return tasks;
  }
  if (ownersOf(object).length > 0) tasks.push(() => collectIfOrphaned(services, uid));
  if (previous) for (const owner of ownersOf(previous)) tasks.push(() => finishOwner(services, owner.uid));
  if (isBeingDeleted(object)) tasks.push(() => finishOwner(services, uid));
  return tasks;
}

/** What an earlier process may have left undone. */
function unfinished(services: Services): Task[] {
  const { store, registry } = services;
  const storages = [...new Set(registry.resources.map((resource) => resource.storage))];
  return storages.map((storage) => () => {
    const { objects } = store.page({ storage, revision: store.revision });
    for (const object of objects) {
      if (storage === 'namespaces' && isBeingDeleted(object)) emptyNamespace(services, nameOf(object));
      if (ownersOf(object).length > 0) collectIfOrphaned(services, object.metadata.uid ?? '');
      if (isBeingDeleted(object)) finishOwner(services, object.metadata.uid ?? '');
    }
  });
}
