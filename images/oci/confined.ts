// Runs a program that reads what others have made. Invariant: where this host allows it, the program sees /usr read-only and
// one folder that it may write, no network, and has only the rights that files with owners and modes ask for.
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withRootRights } from '../root-rights.ts';
import { type CommandResult, runCommand } from '../run-command.ts';
import { requireTool } from '../tools.ts';

/** Where the folder is for the program. */
const insideDir = '/unpack';
const rights = ['chown', 'dac_override', 'fowner', 'fsetid', 'mknod', 'setfcap'];
const limits = ['setpriv', '--no-new-privs', '--inh-caps=-all', `--bounding-set=-all,+${rights.join(',+')}`, '--'];
const namespaces = ['unshare', '--mount', '--net', '--ipc', '--uts', '--'];
/** Arguments: the new root (an empty folder), the folder to write, then the program. */
const enter = `
root=$1 folder=$2
shift 2
mount -t tmpfs -o size=1m,mode=755,nodev,nosuid tmpfs "$root"
mkdir "$root/usr" "$root/proc" "$root${insideDir}"
mount --bind /usr "$root/usr"
mount -o remount,bind,ro,nosuid,nodev "$root/usr"
for name in bin sbin lib lib64; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "$root/$name"
  elif [ -d "/$name" ]; then
    mkdir "$root/$name"
    mount --bind "/$name" "$root/$name"
    mount -o remount,bind,ro,nosuid,nodev "$root/$name"
  fi
done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind "$folder" "$root${insideDir}"
mount -o remount,bind,nosuid,nodev "$root${insideDir}"
mount -o remount,ro "$root"
cd "$root"
exec chroot "$root" "$@"
`;

export interface ConfinedCommand {
  /** Found below /usr. */
  program: string;
  /** Gives the arguments, with the folder's path as the program sees it. */
  args: (folder: string) => string[];
  /** The one folder that it may write. */
  folder: string;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Like runCommand. On a host that has no namespaces for us, the rights of this process are all that there is to bound. */
export async function runConfined(command: ConfinedCommand): Promise<CommandResult> {
  const { folder, timeoutMs, signal } = command;
  const program = requireTool(command.program);
  if (!canConfine()) {
    return await runCommand(withRootRights({ program, args: command.args(folder), timeoutMs, signal }));
  }
  const root = join(folder, '.root');
  await mkdir(root, { recursive: true });
  const [first = '', ...rest] = namespaces;
  return await runCommand(
    withRootRights({
      program: first,
      args: [...rest, 'sh', '-ec', enter, 'sh', root, folder, ...limits, program, ...command.args(insideDir)],
      env: { TMPDIR: insideDir, HOME: insideDir },
      timeoutMs,
      signal,
    }),
  );
}

let confines: boolean | undefined;

function canConfine(): boolean {
  const mount = [...namespaces, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'];
  const works = ([program = '', ...args]: string[]) => {
    const command = withRootRights({ program, args });
    return spawnSync(command.program, command.args).status === 0;
  };
  confines ??= works(mount) && works([...limits, 'true']);
  return confines;
}
