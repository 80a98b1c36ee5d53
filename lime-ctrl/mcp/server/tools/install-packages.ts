// install_packages: packages by the machine's own package manager. Invariant: names of packages are arguments, never options.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { noInput, startProcess } from '../../machine/processes.ts';
import { followToEnd, killedWhenGivenUp } from '../../machine/run-process.ts';
import { executionContent, executionView, executionViewOf } from '../execution-view.ts';
import { mintExecutionId } from '../executions.ts';
import { timeoutSeconds } from '../process-options.ts';
import { hasNetwork } from '../resources/self-views.ts';
import { runAsTaskWhenLong } from '../tasks/run-as-task.ts';
import { defineTool } from '../tool.ts';

const managers = ['pip', 'npm', 'apt'] as const;

const argvOf: Record<(typeof managers)[number], (packages: string[]) => string[]> = {
  pip: (packages) => ['python3', '-m', 'pip', 'install', '--no-input', '--break-system-packages', '--', ...packages],
  npm: (packages) => ['npm', 'install', '--no-fund', '--no-audit', '--', ...packages],
  apt: (packages) => [
    '/bin/sh',
    '-c',
    'apt-get update && apt-get install -y --no-install-recommends -- "$@"',
    'sh',
    ...packages,
  ],
};

export const installPackages = defineTool({
  name: 'install_packages',
  title: 'Install packages',
  description: 'Installs packages with pip, npm or apt. Needs a machine with a network; says so when it has none.',
  scope: 'vm:exec',
  input: z.object({
    manager: z.enum(managers),
    packages: z
      .array(
        z
          .string()
          .max(256)
          .regex(/^[\w@./][\w@./:=<>~!+[\],*^-]*$/, 'is no name of a package'),
      )
      .min(1)
      .max(100),
    timeout_seconds: timeoutSeconds(600),
  }),
  output: executionView,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  tasks: true,
  async run({ manager, packages, timeout_seconds }, call) {
    const place = await call.guest.place();
    const local = packages.every((name) => name.startsWith('/'));
    if (!local && !(await hasNetwork(place))) throw noNetwork(manager);
    const id = await mintExecutionId(call.deps.seal, call.context);
    const process = {
      id,
      keep: true,
      argv: argvOf[manager](packages),
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      timeoutMs: Math.ceil(timeout_seconds * 1000),
    };
    const onOutput = (channel: 'stdout' | 'stderr', bytes: Uint8Array) =>
      call.report.output(channel, Buffer.from(bytes).toString());
    return runAsTaskWhenLong(call, { place, id, tool: 'install_packages' }, async (signal) => {
      const events = startProcess(place, process, noInput(), signal);
      const ended = await killedWhenGivenUp(place, id, followToEnd(events, { onOutput }), signal);
      return { output: executionViewOf(id, ended), content: executionContent(id, ended) };
    });
  },
});

function noNetwork(manager: string): TvmError {
  return new TvmError('failed_precondition', `the machine has no network, so ${manager} can fetch nothing`, {
    reason: 'NoNetwork',
    hint:
      'Use what the image has, or upload package files with get_transfer_url and give their absolute paths. A network is given when ' +
      'the machine is made: ask for a session with spec.network (vvm session create --allow pypi.org:443), or of an image with the packages.',
  });
}
