// Makes and destroys the machines of the execution engine on the nodes. Invariant: what was begun is known to the inventory
// before its node is asked, so that an answer that never came cannot lose a machine.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { limitsMessage } from '@tvm/api/rpc-limits.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { networkOf } from '../network.ts';
import { observeNodes } from '../placement/observe-nodes.ts';
import { place } from '../placement/place.ts';
import { type Inventory, isWaiting } from './inventory.ts';
import { makeRoom } from './make-room.ts';
import type { PoolMachine } from './pool-plan.ts';
import { type PullSecrets, pullLabels, type Shape } from './shape.ts';

const callDeadlineMs = 30_000;
/** Reason of a resource_exhausted that ends when other machines are gone. */
export const noRoom = 'NoRoom';

export interface Maker {
  /** Begins to make a machine. Throws invalid_argument, resource_exhausted (no room now) or unavailable. */
  make(shape: Shape, owner: PoolMachine['owner']): Promise<PlacedMachine>;
  /** What fails is logged, and found again by the next review. */
  destroy(machine: PoolMachine): Promise<void>;
}

export interface MakerDeps {
  fleet: Fleet;
  inventory: Inventory;
  log: Logger;
  /** Marks the machines of this replica. */
  replica: string;
  readCredentials: ReadCredentials;
}

/** Texts of docker's config.json. Throws failed_precondition for a Secret that is not there, or of another type. */
export type ReadCredentials = (pullSecrets: PullSecrets) => Promise<string[]>;

export function makeMaker({ fleet, inventory, log, replica, readCredentials }: MakerDeps): Maker {
  const destroying = new Set<string>();

  async function make(shape: Shape, owner: PoolMachine['owner']): Promise<PlacedMachine> {
    const uid = randomUUID();
    inventory.begin(uid, owner);
    try {
      const registryCredentials = shape.pullSecrets ? await readCredentials(shape.pullSecrets) : [];
      const node = await chooseNode(shape, owner);
      const labels = { owner, replica, ...pullLabels(shape) };
      const request = { uid, generation: 1n, spec: specOf(shape, owner === 'pool'), labels, registryCredentials };
      const machine = await fleet.client(node).createMachine(request, { timeoutMs: callDeadlineMs });
      fleet.learn(node, machine);
      return { node, machine };
    } catch (thrown) {
      // The node may have made it all the same; then it shows, held by nobody, and is destroyed or waits.
      inventory.abandon(uid);
      const error = TvmError.from(thrown);
      throw error.code === 'resource_exhausted' && error.reason === undefined ? fullError(error.message) : error;
    }
  }

  async function chooseNode(shape: Shape, owner: PoolMachine['owner']): Promise<string> {
    await fleet.refresh();
    let placement = place(shape, observeNodes(fleet));
    if (placement.node === undefined && placement.reason === noRoom && owner === 'execute') {
      await Promise.all(makeRoom(shape, observeNodes(fleet), inventory.machines().filter(isWaiting)).map(destroy));
      placement = place(shape, observeNodes(fleet));
    }
    if (placement.node !== undefined) return placement.node;
    throw placementError(placement.reason, placement.message);
  }

  async function destroy({ uid, node }: PoolMachine): Promise<void> {
    if (destroying.has(uid)) return;
    destroying.add(uid);
    inventory.spend(uid);
    try {
      await fleet.client(node).destroyMachine({ uid, generation: 1n }, { timeoutMs: callDeadlineMs });
      fleet.forget(node, uid);
    } catch (error) {
      log.warn({ why: TvmError.from(error).message, machine: uid, node }, 'machine not destroyed, will try again');
    } finally {
      destroying.delete(uid);
    }
  }

  return { make, destroy };
}

function specOf({ image, cpu, memory, interpreter, network, limits }: Shape, standby: boolean) {
  const spec = { image, cpus: cpu, memoryMib: memory, interpreter, standby, hostname: 'machine' };
  return { ...spec, ...networkOf(network), ...limitsMessage(limits) };
}

function placementError(reason: string, message: string): TvmError {
  if (reason === 'TooLarge') {
    return new TvmError('invalid_argument', `no node is large enough: ${message}`, {
      reason,
      hint: 'Ask for less memory or fewer CPUs; /v1/status shows what the nodes have.',
    });
  }
  if (reason === noRoom) return fullError(`no node has room: ${message}`);
  return new TvmError('unavailable', message, { reason, hint: 'Is flintlock running? See "vvm status".' });
}

function fullError(message: string): TvmError {
  return new TvmError('resource_exhausted', message, {
    reason: noRoom,
    hint: 'Try again after the time in Retry-After.',
    retryAfterSeconds: 5,
  });
}
