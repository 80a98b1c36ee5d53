// The pagers that run on this host, as /proc tells.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const endMs = 20_000;

/** Numbers of those that serve memory of snapshots below the folder. */
export function pagersBelow(folder: string): string[] {
  const isOne = (command: string) => command.includes('\0pager.sock\0') && command.includes(folder);
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOne(commandOf(name)));
}

export async function untilNoPager(folder: string): Promise<void> {
  for (const deadline = Date.now() + endMs; pagersBelow(folder).length > 0; await sleep(20)) {
    assert.ok(Date.now() < deadline, 'a pager still runs');
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
