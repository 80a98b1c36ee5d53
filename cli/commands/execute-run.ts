// The run of vvm execute: code in over the stream, output to the standard streams or collected as JSON.

import { TvmError } from '@tvm/api/errors.ts';
import { toProblem } from '@tvm/api/rest/problem.ts';
import { endpointOf } from '../client/endpoint.ts';
import type { Started } from '../client/run-stream.ts';
import { openStream } from '../client/stream-connection.ts';
import type { Context } from '../context.ts';
import { Exit } from '../exit-codes.ts';
import { toJson } from '../output/table.ts';
import { makeCollector } from './collector.ts';
import { codeSource, type ExecuteOptions, languageOf, readCode, requestOf } from './execute-request.ts';
import { namespaceQuery } from './namespace-option.ts';
import { exitCodeOfProgram, runProgram } from './run-program.ts';

/** Always throws Exit with the guest's exit code, or TvmError; with `json` the error is an object on standard output too. */
export async function executeOnce(context: Context, operands: string[], options: ExecuteOptions): Promise<never> {
  try {
    return await execute(context, operands, options);
  } catch (thrown) {
    if (options.json && !(thrown instanceof Exit)) {
      await context.stdout.write(toJson({ error: toProblem(TvmError.from(thrown)) }));
    }
    throw thrown;
  }
}

async function execute(context: Context, operands: string[], options: ExecuteOptions): Promise<never> {
  const { config, progress } = context;
  const { source, args } = codeSource(operands, options.file);
  const code = await readCode(source, process.stdin);
  const request = requestOf(code, languageOf(options.language, source, code), args, options, config.environment);
  const endpoint = await endpointOf(config, progress.say);

  const collected = options.json ? { stdout: makeCollector(), stderr: makeCollector() } : undefined;
  const takesInput = source.kind !== 'stdin' && !(options.json && process.stdin.isTTY);
  let started: Started | undefined;
  const exited = await runProgram({
    open: () => openStream(endpoint, `/v1/execute${namespaceQuery(options)}`, request),
    canAttach: false,
    progress,
    output: {
      stdout: collected?.stdout.take ?? context.stdout.write,
      stderr: collected?.stderr.take ?? context.stderr.write,
    },
    input: takesInput ? { chunks: process.stdin, lossy: false } : undefined,
    onStarted: (message) => {
      started = message;
    },
  });
  const exitCode = exitCodeOfProgram(exited);
  if (collected) {
    const { timedOut, durationMs } = exited;
    const stdout = collected.stdout.text();
    const stderr = collected.stderr.text();
    const truncated = collected.stdout.truncated() || collected.stderr.truncated();
    const result = { exitCode, stdout, stderr, timedOut, truncated, durationMs, machine: started?.machine };
    await context.stdout.write(toJson(result));
  } else if (exited.timedOut) {
    await context.stderr.write(
      `vvm: the time was up after ${request.timeoutSeconds ?? 60} s (--timeout), exit code 124\n`,
    );
  }
  throw new Exit(exitCode);
}
