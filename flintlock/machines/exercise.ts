// Makes a machine that waits ready for its run: its interpreter waits, and what a run needs has been gone through once.
// Under emulation that is most of a run's time: code that was never executed since the start is translated first.
import { TvmError } from '@tvm/api/errors.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { removeFile } from '../guest/files.ts';
import { callOnce } from '../guest/machine.ts';
import { runProcess } from '../guest/processes.ts';
import type { MachineSpec } from './record.ts';

const timeoutMs = 30_000;
const maxOutputBytes = 64 * 1024;
/** A second one still halves what is left to be translated; a third changes little. */
const rounds = 2;

/** An image without the interpreter, or without programs, is none the worse for it: a run starts what it needs anew. */
export async function exercise(
  { interpreter }: Pick<MachineSpec, 'interpreter'>,
  connection: GuestConnection,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  for (let round = 0; round < rounds; round++) {
    if (interpreter !== '') {
      const request = { name: interpreter, exercise: true };
      await callOnce(connection, { case: 'prepareInterpreter', value: request }, 'prepared', deadline);
    }
    await runNothing(connection, deadline);
  }
}

/** The way of a process through the agent: its file, its start, its end. */
async function runNothing(connection: GuestConnection, signal: AbortSignal): Promise<void> {
  const process = { argv: ['true'], user: '0', files: [{ path: '/tmp/.exercise', content: new Uint8Array() }] };
  try {
    await runProcess(connection, process, { maxOutputBytes, signal });
    await removeFile(connection, '/tmp/.exercise', false);
  } catch (error) {
    if (!(error instanceof TvmError && error.reason === 'ProgramNotStarted')) throw error;
  }
}
