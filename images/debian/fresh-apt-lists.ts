// apt's package lists may be missing (cleaned away) or name versions that the archive no longer has.
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import { runCommand } from '../run-command.ts';

const updateTimeoutMs = 5 * 60_000;

/** Runs what depends on apt's lists; when it fails, and this is root, fetches new lists and runs it once more. */
export async function withFreshAptLists<T>(
  onProgress: Progress,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    const curable = error instanceof TvmError && ['failed_precondition', 'unavailable'].includes(error.code);
    if (!curable || error.reason === 'ToolMissing' || process.getuid?.() !== 0) throw error;
    onProgress('updating the package lists of apt');
    const update = await runCommand({ program: 'apt-get', args: ['update', '-q'], timeoutMs: updateTimeoutMs, signal });
    if (update.exitCode !== 0) throw error;
    return await attempt();
  }
}
