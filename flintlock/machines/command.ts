// The command that a machine exists for: a kept process, so that it survives flintlock; its output goes to the log.
// Invariant: at a bounded rate, so that a command that prints forever waits instead of filling host and disk.
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { ImageConfig } from '@tvm/images/contract.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { attachProcess, startProcess } from '../guest/processes.ts';
import type { GuestStream } from '../guest/stream.ts';
import type { Machine } from './machine.ts';
import type { MachineSpec } from './record.ts';

const processId = 'command';
const burstBytes = 256 * 1024;
const burstMs = 50;
const reattachMs = 1000;

/** Starts the command; resolves when it runs. */
export async function startCommand(machine: Machine, connection: GuestConnection): Promise<void> {
  const argv = argvOf(machine.record.spec, machine.run.files?.image.config ?? { entrypoint: [], cmd: [] });
  await follow(machine, startProcess(connection, { argv, keep: true, id: processId }, machine.run.over.signal));
}

type Declared = Pick<MachineSpec, 'command' | 'args' | 'image'>;

/**
 * As Kubernetes does it: arguments alone take the place of the image's cmd; without an entrypoint they are the program. Throws
 * failed_precondition when neither machine nor image says anything.
 */
export function argvOf({ command, args, image }: Declared, config: Pick<ImageConfig, 'entrypoint' | 'cmd'>): string[] {
  if (command.length > 0) return command;
  const argv = [...config.entrypoint, ...(args.length > 0 ? args : config.cmd)];
  if (argv.length > 0) return argv;
  throw new TvmError(
    'failed_precondition',
    `the image ${image} has neither an entrypoint nor a cmd that could be run`,
    {
      reason: 'NothingToRun',
      hint: 'Say what is to be run by command, or leave runEntrypoint out.',
    },
  );
}

/** Attaches to the command again. */
export async function followCommand(machine: Machine, connection: GuestConnection): Promise<void> {
  const { commandOffsets } = machine.run;
  const place = { id: processId, stdoutOffset: commandOffsets.stdout, stderrOffset: commandOffsets.stderr };
  await follow(machine, attachProcess(connection, place, machine.run.over.signal));
}

async function follow(machine: Machine, stream: GuestStream): Promise<void> {
  const { run } = machine;
  const answers = stream[Symbol.asyncIterator]();
  const first = await answers.next();
  run.command = 'running';
  if (!first.done && first.value.case === 'started') {
    run.commandOffsets = { stdout: first.value.value.stdoutOffset, stderr: first.value.value.stderrOffset };
  }
  copyOutput(machine, answers).catch(async (err) => {
    if (run.over.signal.aborted) return;
    machine.log.warn({ err }, 'the command is not followed any more; attaching again');
    await sleep(reattachMs);
    run.command = 'none';
    machine.wake();
  });
}

async function copyOutput(machine: Machine, answers: AsyncIterator<GuestOutput>): Promise<void> {
  const { run } = machine;
  let burst = 0;
  for (let next = await answers.next(); !next.done; next = await answers.next()) {
    const body = next.value;
    if (body.case === 'exited') {
      run.command = { exitCode: body.value.code };
      machine.wake();
    }
    if (body.case !== 'stdout' && body.case !== 'stderr') continue;
    machine.output.append(body.value, body.case);
    run.commandOffsets[body.case] += BigInt(body.value.length);
    burst += body.value.length;
    if (burst < burstBytes) continue;
    burst = 0;
    await sleep(burstMs);
  }
}

type GuestOutput = GuestStream extends AsyncIterable<infer Output> ? Output : never;
