// Makes a machine that waits ready for its run: its interpreter waits, and what a run needs has been gone through once.
// Under emulation that is most of a run's time: code that was never executed since the start is translated first.
import { TvmError } from '@tvm/api/errors.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { callOnce } from '../guest/machine.ts';
import { runProcess } from '../guest/processes.ts';
import type { MachineSpec } from './record.ts';

const timeoutMs = 30_000;
const maxOutputBytes = 64 * 1024;

/** An image without the interpreter, or without a shell, is none the worse for it: a run starts what it needs anew. */
export async function exercise(
  { interpreter }: Pick<MachineSpec, 'interpreter'>,
  connection: GuestConnection,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  if (interpreter === '') return await runShell(connection, deadline);
  const request = { name: interpreter, exercise: true };
  await callOnce(connection, { case: 'prepareInterpreter', value: request }, 'prepared', deadline);
}

async function runShell(connection: GuestConnection, signal: AbortSignal): Promise<void> {
  try {
    await runProcess(connection, { argv: ['sh', '-c', ':'] }, { maxOutputBytes, signal });
  } catch (error) {
    if (!(error instanceof TvmError && error.reason === 'ProgramNotStarted')) throw error;
  }
}
