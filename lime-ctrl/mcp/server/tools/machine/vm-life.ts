// vm_pause, vm_resume, vm_reset: the machine's life. Invariant: pausing and resuming are declared, so that whoever watches over the
// machine wants the same; a reset is asked for at the node, and the machine is started anew because it is declared to run.
import { acceptedContent, inputRequired } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { z } from 'zod';
import type { PlacedMachine } from '../../../contract.ts';
import type { Place } from '../../../machine/guest.ts';
import { answersQuestion, mintRequestState } from '../../request-state.ts';
import { defineTool, type ToolCall, text } from '../../tool.ts';
import { getMicroVm, patchMicroVm } from './microvm.ts';
import { ownsMachine, replaceMachine } from './replace-machine.ts';
import { statusOf, statusView } from './vm-status.ts';

const stopDeadlineMs = 60_000;
const hearMs = 10_000;
const lookMs = 200;
/** That it is another machine now needs no telling: it was asked for. */
const notHeard = new Set(['MachinePaused', 'MachineStopped', 'MachineRestarted']);
const changed = { readOnlyHint: false, idempotentHint: true, openWorldHint: false };

export const vmPause = defineTool({
  name: 'vm_pause',
  title: 'Pause the machine',
  description:
    'Stops the clock of the machine: nothing runs in it and nothing is lost. No other tool works until vm_resume. A machine that you do not use rests by itself; this is for leaving it on purpose.',
  scope: 'vm:admin',
  input: z.object({}),
  output: z.object({ desired_state: z.literal('Paused'), paused: z.boolean().describe('It is paused already.') }),
  annotations: { ...changed, destructiveHint: false },
  async run(_args, call) {
    await patchMicroVm(call, { spec: { desiredState: 'Paused' } });
    const paused = await whenPaused(call);
    const output = { desired_state: 'Paused' as const, paused };
    return { output, content: [text(`The machine is ${paused ? '' : 'being '}paused. vm_resume lets it go on.`)] };
  },
});

/** False: it is not yet, after as long as one would wait for it. */
async function whenPaused({ context, deps, signal }: ToolCall): Promise<boolean> {
  const untilMs = deps.clock.now() + hearMs;
  while (context.lastSeen()?.machine.state !== MachineState.PAUSED) {
    if (signal.aborted || deps.clock.now() > untilMs) return false;
    await deps.clock.sleep(lookMs, signal);
  }
  return true;
}

export const vmResume = defineTool({
  name: 'vm_resume',
  title: 'Resume the machine',
  description: 'Lets a paused machine go on, and starts one that was stopped.',
  scope: 'vm:admin',
  input: z.object({}),
  output: statusView,
  annotations: { ...changed, destructiveHint: false },
  async run(_args, call) {
    await patchMicroVm(call, { spec: { desiredState: 'Running' } });
    return { output: statusOf(await whenHeard(call)) };
  },
});

/** What was declared is known here a moment later. */
async function whenHeard({
  context,
  deps,
  signal,
}: Pick<ToolCall, 'context' | 'deps' | 'signal'>): Promise<PlacedMachine> {
  const untilMs = deps.clock.now() + hearMs;
  for (;;) {
    try {
      return await context.machine();
    } catch (error) {
      const { reason = '' } = TvmError.from(error);
      if (!notHeard.has(reason) || signal.aborted || deps.clock.now() > untilMs) throw error;
      await deps.clock.sleep(lookMs, signal);
    }
  }
}

const confirmation = z.object({
  confirm: z.boolean().describe('Start the machine anew, losing all files, processes and variables in it?'),
});

export const vmReset = defineTool({
  name: 'vm_reset',
  title: 'Reset the machine',
  description:
    'Starts the machine anew from its image: all files, processes and variables in it are lost. Asks the user first where the client can ask, unless confirm is given.',
  scope: 'vm:admin',
  input: z.object({ confirm: z.boolean().default(false).describe('It is meant: do not ask.') }),
  output: z.object({ reset: z.boolean() }),
  annotations: { ...changed, destructiveHint: true, idempotentHint: false },
  async run({ confirm }, call) {
    if (!confirm && call.canAsk) {
      if (!(await answersQuestion(call, 'vm_reset'))) return ask(call);
      const accepted = acceptedContent(call.request.inputResponses, 'confirm', confirmation);
      if (!accepted?.confirm) return { output: { reset: false }, content: [text('Nothing was reset.')] };
    }
    await reset(await call.guest.place(), call);
    return { output: { reset: true }, content: [text('The machine is as its image makes it.')] };
  },
});

async function ask(call: ToolCall) {
  const schema = z.toJSONSchema(confirmation) as never;
  return inputRequired({
    inputRequests: {
      confirm: inputRequired.elicit({
        message: `Reset the machine of session ${call.context.session.name}? All that is in it is lost.`,
        requestedSchema: schema,
      }),
    },
    requestState: await mintRequestState(call, 'vm_reset'),
  });
}

async function reset({ client, uid, machine }: Place, call: ToolCall): Promise<void> {
  const { context, report } = call;
  const { spec } = await getMicroVm(call);
  // Started anew it would be what its snapshot holds.
  if (spec.snapshot !== undefined && (await ownsMachine(call))) {
    report.step('making another from its image');
    await replaceMachine(call, null);
    return;
  }
  report.step('stopping the machine');
  context.expectRestart();
  await client.stopMachine({ uid, generation: machine.generation, graceMs: 0 }, { timeoutMs: stopDeadlineMs });
  report.step('starting it anew');
  await whenHeard(call);
}
