// The right to give files any owner, which root filesystems ask for: root's, or that of a user namespace (user_namespaces(7))
// with the ids that /etc/subuid and /etc/subgid give to an ordinary user. Invariant: what is made there is removed there.
import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { type Command, runChecked } from './run-command.ts';

/** What begins in it ends with this process: the wish to do so has to be told anew where a namespace changes the rights. */
const ownNamespace = [
  ...['unshare', '--user', '--map-root-user', '--map-auto', '--'],
  ...['setpriv', '--pdeathsig', 'KILL', '--'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
];
const removalTimeoutMs = 5 * 60_000;

const isRoot = process.getuid?.() === 0;
let works: boolean | undefined;

function hasOwnNamespace(): boolean {
  const [program = '', ...args] = ownNamespace;
  works ??= spawnSync(program, [...args, 'true']).status === 0;
  return works;
}

export function hasRootRights(): boolean {
  return isRoot || hasOwnNamespace();
}

export const rootRightsHint =
  'Install uidmap and give this user ids of its own (sudo usermod --add-subuids 300000-365535 --add-subgids 300000-365535 USER), or run the service as root.';

/** Throws `failed_precondition` where this process has no such right. `what`: as in "unpacking ubuntu:20.04". */
export function requireRootRights(what: string): void {
  if (hasRootRights()) return;
  throw new TvmError('failed_precondition', `${what} needs the right to give files their owners`, {
    reason: 'RootNeeded',
    hint: rootRightsHint,
  });
}

/** The command with that right. */
export function withRootRights<T extends Pick<Command, 'program' | 'args'>>(command: T): T {
  if (isRoot) return command;
  const [program = '', ...args] = ownNamespace;
  return { ...command, program, args: [...args, command.program, ...command.args] };
}

/** Also what only the namespace's own users may remove. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (isRoot || !['EACCES', 'EPERM', 'ENOTEMPTY'].includes(code) || !hasOwnNamespace()) throw error;
    await runChecked(withRootRights({ program: 'rm', args: ['-rf', '--', folder], timeoutMs: removalTimeoutMs }));
  }
}
