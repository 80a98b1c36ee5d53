// Why a machine is no longer up, in the product's words: a pure function of how its VMM ended.
import type { ErrorCode } from '@tvm/api/errors.ts';
import type { VmEnd } from '../vmm/driver.ts';

export interface Outcome {
  state: 'stopped' | 'failed';
  reason: string;
  message: string;
  errorCode: '' | ErrorCode;
}

const maxQuotedLength = 1000;

export function outcomeOf(end: VmEnd): Outcome {
  const panic = /Kernel panic - not syncing: (.*)/.exec(end.console);
  if (panic) {
    const outOfMemory = /out of memory|deadlocked on memory/i.test(end.console);
    return failed(outOfMemory ? 'OutOfMemory' : 'GuestPanic', `the guest's kernel panicked: ${panic[1]}`, end);
  }
  if (end.exitCode === 0) return stopped('GuestPoweredOff', 'the guest powered itself off');
  return failed('VmmExited', `the VMM ended: ${howItEnded(end)}`, end);
}

function howItEnded({ exitCode, signal, stderr }: VmEnd): string {
  const how = signal ? `killed by ${signal}` : exitCode === null ? 'its exit code is unknown' : `exit code ${exitCode}`;
  return stderr ? `${how}: ${stderr}` : how;
}

function stopped(reason: string, message: string): Outcome {
  return { state: 'stopped', reason, message, errorCode: '' };
}

function failed(reason: string, message: string, end: VmEnd): Outcome {
  const console = end.console ? `; console: …${end.console.slice(-maxQuotedLength).trim()}` : '';
  return { state: 'failed', reason, message: `${message}${console}`, errorCode: 'unavailable' };
}
