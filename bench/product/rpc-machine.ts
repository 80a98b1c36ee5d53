// A waiting machine asked for and used by flintlock's own calls, without the control plane.
import { randomUUID } from 'node:crypto';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FlintlockClient } from '@tvm/lime-ctrl/flintlock/client.ts';
import { pythonProcess } from '../bare/python-process.ts';
import { expectOutput, type Snippet } from '../snippet.ts';
import { defaultMemoryMiB, until } from './waiting.ts';

export interface RpcMachine {
  uid: string;
  /** Runs the snippet in it, which resumes it. */
  run(snippet: Snippet): Promise<void>;
  destroy(): Promise<void>;
}

/** Made, primed and paused. Its owner is nobody that the control plane knows, so it leaves it alone. */
export async function makeRpcMachine(flintlock: FlintlockClient): Promise<RpcMachine> {
  const uid = `bench-${randomUUID()}`;
  const spec = {
    ...{ image: 'tvm/python', cpus: 1, memoryMib: defaultMemoryMiB },
    ...{ interpreter: 'python', standby: true, hostname: 'machine' },
  };
  await flintlock.createMachine({ uid, generation: 1n, spec, labels: { owner: 'bench' } });
  await until('the machine waits', async () => {
    const { state, message } = await flintlock.getMachine({ uid });
    if (state === MachineState.FAILED) throw new Error(`the machine failed: ${message}`);
    return state === MachineState.PAUSED;
  });
  return {
    uid,
    run: async (snippet) => expectOutput('Exec', snippet, await exec(flintlock, uid, snippet)),
    destroy: async () => void (await flintlock.destroyMachine({ uid, generation: 1n })),
  };
}

async function exec(flintlock: FlintlockClient, uid: string, snippet: Snippet): Promise<string> {
  const process = pythonProcess(snippet, 'python');
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid, process } } };
  })();
  let stdout = '';
  for await (const { output } of flintlock.exec(requests)) {
    if (output?.body.case === 'stdout') stdout += Buffer.from(output.body.value).toString();
  }
  return stdout;
}
