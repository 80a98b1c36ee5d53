// The product's own ways to run a snippet: warm and cold over REST, and the whole command.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ExecuteResult } from '@tvm/api/rest/execute.ts';
import type { StatusView } from '@tvm/api/rest/microvms.ts';
import type { Scenario } from './sample.ts';
import { expectOutput, type Snippet } from './snippet.ts';

export interface Service {
  url: string;
  token: string;
  /** The command line that starts `vvm`, with the environment of this service. */
  vvm: { command: string; args: string[]; env: NodeJS.ProcessEnv };
}

export function makeProductScenarios(service: Service, snippet: Snippet): Scenario[] {
  let coldMemory = 300;
  return [
    {
      name: 'execute, warm (REST)',
      what: 'POST /v1/execute with a waiting machine: request to result',
      prepare: () => untilWaiting(service),
      run: () => execute(service, snippet, 256, true),
    },
    {
      name: 'execute, cold (REST)',
      what: 'POST /v1/execute of a size that no machine waits in: boot, run, result',
      prepare: () => untilWaiting(service),
      // A size not seen before, so that no machine waits in it.
      run: () => execute(service, snippet, coldMemory++, false),
    },
    {
      name: 'vvm execute, warm',
      what: 'the whole command, process start included, with a waiting machine',
      prepare: () => untilWaiting(service),
      run: async () => {
        const { command, args, env } = service.vvm;
        const { stdout } = await promisify(execFile)(command, [...args, 'execute', snippet.code], { env });
        expectOutput('vvm execute', snippet, stdout);
      },
    },
  ];
}

async function execute(service: Service, snippet: Snippet, memory: number, warm: boolean): Promise<void> {
  const response = await fetch(`${service.url}/v1/execute`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ code: snippet.code, memory }),
  });
  if (!response.ok) throw new Error(`execute: HTTP ${response.status} ${await response.text()}`);
  const result = (await response.json()) as ExecuteResult;
  expectOutput('execute', snippet, result.stdout);
  if (result.machine.warm !== warm) throw new Error(`execute: the machine was ${warm ? 'not ' : ''}warm`);
}

async function untilWaiting(service: Service): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    const response = await fetch(`${service.url}/v1/status`, { headers: { authorization: `Bearer ${service.token}` } });
    const status = (await response.json()) as StatusView;
    const making = status.pools.some((pool) => pool.making > 0);
    if (!making && status.pools.some((pool) => pool.memory === 256 && pool.waiting > 0)) return;
    await sleep(100);
  }
  throw new Error('no machine waits after 120 s');
}
