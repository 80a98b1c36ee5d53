// A machine for tests that is this computer: a flintlock in memory whose processes are real ones and whose files lie below a
// folder of its own. Paths of "/tmp/..." and "/run/..." are rewritten to that folder, in files and in arguments.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import { Flintlock, type Machine, MachineSchema, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FlintlockClient } from '../flintlock/client.ts';
import { clientOfRoutes } from './client-of-routes.ts';
import { localFiles } from './local-files.ts';
import { type LocalProcesses, makeLocalProcesses } from './local-processes.ts';

export interface LocalMachine extends AsyncDisposable {
  client: FlintlockClient;
  uid: string;
  machine: Machine;
  /** What the machine calls "/". */
  root: string;
  processes: LocalProcesses;
  /** Every call that changes the machine's life. */
  calls: string[];
  /** What every call fails with from now on. */
  broken: TvmError | undefined;
}

export function makeLocalMachine(uid = 'machine-1'): LocalMachine {
  const root = mkdtempSync(join(tmpdir(), 'tvm-mcp-'));
  const processes = makeLocalProcesses(root);
  const files = localFiles(root);
  const local: LocalMachine = {
    client: undefined as never,
    uid,
    root,
    processes,
    calls: [],
    broken: undefined,
    machine: create(MachineSchema, {
      uid,
      generation: 1n,
      spec: { image: 'tvm/python', cpus: 1, memoryMib: 256, hostname: 'agent' },
      state: MachineState.RUNNING,
      startedAtMs: 1_000n,
    }),
    async [Symbol.asyncDispose]() {
      await processes.endAll();
      rmSync(root, { recursive: true, force: true });
    },
  };
  const check = (given: string) => {
    if (local.broken) throw local.broken;
    if (given !== uid) throw new TvmError('not_found', `machine ${given} is not here`);
  };
  const change = (call: string, state: MachineState) => {
    local.calls.push(call);
    local.machine = create(MachineSchema, { ...local.machine, state });
    return local.machine;
  };
  const routes = (router: ConnectRouter) =>
    router.service(Flintlock, {
      getMachine: (request) => {
        check(request.uid);
        return local.machine;
      },
      pauseMachine: (request) => {
        check(request.uid);
        return change('pause', MachineState.PAUSED);
      },
      resumeMachine: (request) => {
        check(request.uid);
        return change('resume', MachineState.RUNNING);
      },
      // It is started anew at once.
      stopMachine: (request) => {
        check(request.uid);
        return change('stop', MachineState.RUNNING);
      },
      exec: async function* (requests, context) {
        if (local.broken) throw local.broken;
        yield* processes.exec(requests, check, context.signal);
      },
      listProcesses: (request) => {
        check(request.uid);
        return { processes: processes.list() };
      },
      getUsage: (request) => {
        check(request.uid);
        return { guest: { memoryTotalBytes: 100n, memoryAvailableBytes: 40n, processCount: 3 }, vmmResidentBytes: 60n };
      },
      readFile: (request) => {
        check(request.uid);
        return files.read(request);
      },
      writeFile: (requests) => files.write(requests, check),
      fileOperation: (request) => {
        check(request.uid);
        return files.operate(request);
      },
      watchFiles: (request, context) => {
        check(request.uid);
        return files.watch(request, context.signal);
      },
    });
  local.client = clientOfRoutes(routes);
  return local;
}
