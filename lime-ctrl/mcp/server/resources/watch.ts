// Changes of resources, for whoever has subscribed to them. Invariants: bounded in number and in pace; a machine that is away for a
// while, or a file that is not there yet, is looked for again.
import type { SessionContext } from '../../contract.ts';
import { watchFiles } from '../../machine/files.ts';
import { makeGuest } from '../../machine/guest.ts';
import { attachProcess, fromNow, noInput } from '../../machine/processes.ts';
import type { ServerDeps } from '../build-server.ts';
import { checkExecutionId } from '../executions.ts';
import { parseResourceUri, type ResourceName, type SelfView, scopeOfKind } from './resource-uri.ts';
import { readSelf } from './self-views.ts';

export const maxWatched = 64;
const againMs = 2_000;
const selfPollMs = 3_000;
/** Changes are told no more often than this. */
const paceMs = 250;

interface Watch {
  deps: ServerDeps;
  context: SessionContext;
  changed: () => void;
  ended: AbortSignal;
}

/** Calls `changed` with the URI of each resource that changes, until the signal aborts. Unknown URIs never change. */
export function watchResources(
  deps: ServerDeps,
  context: SessionContext,
  uris: string[],
  changed: (uri: string) => void,
  ended: AbortSignal,
): void {
  for (const uri of new Set(uris.slice(0, maxWatched))) {
    const name = parseResourceUri(uri);
    if (!name || !context.scopes.has(scopeOfKind[name.kind])) continue;
    deps.background.run(`watch of ${name.kind}`, async (stop) => {
      const over = AbortSignal.any([ended, stop]);
      const told = atPace(deps, () => changed(uri), over);
      await watchOne({ deps, context, changed: told, ended: over }, name);
    });
  }
}

async function watchOne(watch: Watch, name: ResourceName): Promise<void> {
  const { deps, ended } = watch;
  let failing = false;
  while (!ended.aborted) {
    try {
      const begun = () => {
        if (failing) watch.changed();
        failing = false;
      };
      if ((await watchOnce(watch, name, begun)) === 'over') return;
    } catch (error) {
      if (!ended.aborted && !failing) deps.log.debug({ err: error }, 'watch of a resource broke');
    }
    failing = true;
    await deps.clock.sleep(againMs, ended);
  }
}

/** "over": nothing of it will ever change again. */
async function watchOnce(watch: Watch, name: ResourceName, begun: () => void): Promise<'over' | 'lost'> {
  const { deps, context, changed, ended } = watch;
  if (name.kind === 'self') return pollSelf(watch, name.view);
  const place = await makeGuest(context, deps.clientOf).place();
  if (name.kind === 'file') {
    let first = true;
    for await (const _event of watchFiles(place, name.path, false, ended)) {
      if (first) begun();
      else changed();
      first = false;
    }
    return 'lost';
  }
  await checkExecutionId(deps.seal, context, name.id);
  const now = { stdout: fromNow, stderr: fromNow };
  for await (const event of attachProcess(place, name.id, now, noInput(), ended)) {
    if (event.type === 'started') begun();
    else if (event.type === 'exited') {
      changed();
      return 'over';
    } else if (event.channel === name.channel) changed();
  }
  return 'lost';
}

async function pollSelf({ deps, context, changed, ended }: Watch, view: SelfView): Promise<'lost'> {
  let before: string | undefined;
  while (!ended.aborted) {
    const now = JSON.stringify(await readSelf(deps, context, view));
    if (before !== undefined && now !== before) changed();
    before = now;
    await deps.clock.sleep(selfPollMs, ended);
  }
  return 'lost';
}

/** The same, called at most once in a while; the last call is never lost. */
function atPace({ clock }: ServerDeps, tell: () => void, ended: AbortSignal): () => void {
  let waiting = false;
  return () => {
    if (waiting || ended.aborted) return;
    waiting = true;
    void clock.sleep(paceMs, ended).then(() => {
      waiting = false;
      if (!ended.aborted) tell();
    });
  };
}
