// Somebody who has taken a VMM over: acts as its user, among its mounts, with Perl for lack of anything to run in there.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const setnsNumber = 308;

const script = `
my ($pid, $uid, @attempts) = @ARGV;
require Errno;
open(my $namespace, '<', "/proc/$pid/ns/mnt") or die "no namespace: $!";
syscall(${setnsNumber}, fileno($namespace), 0) == 0 or die "setns: $!";
chdir('/');
$( = $uid; $) = "$uid $uid"; $< = $uid; $> = $uid;
die 'still root' if $> == 0 || $< == 0;
for my $attempt (@attempts) {
  my ($mode, $path) = split(/ /, $attempt, 2);
  my $done = $mode eq 'read' ? open(my $f, '<', $path) : $mode eq 'write' ? open(my $f, '+<', $path)
    : $mode eq 'create' ? open(my $f, '>', $path) : $mode eq 'remove' ? unlink($path) : $mode eq 'chmod' ? chmod(0777, $path)
    : $mode eq 'list' ? opendir(my $d, $path) : $mode eq 'signal' ? kill(9, $path) : die "unknown $mode";
  print $done ? 'done' : 'refused', "\\n";
}
`;

export type Attempt = 'read' | 'write' | 'create' | 'remove' | 'chmod' | 'list' | 'signal';

/** Which of the attempts, such as "read /etc/shadow", worked. */
export async function whatWorks(pid: number, uid: number, attempts: `${Attempt} ${string}`[]): Promise<string[]> {
  const { stdout } = await execute('perl', ['-e', script, String(pid), String(uid), ...attempts]);
  const answers = stdout.trim().split('\n');
  if (answers.length !== attempts.length) throw new Error(`${attempts.length} attempts, ${answers.length} answers`);
  return attempts.filter((_, place) => answers[place] === 'done');
}
