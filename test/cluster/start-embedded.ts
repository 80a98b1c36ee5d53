// Starts the embedded API server as the one-machine service does: its own process and home, ready said over IPC.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { environmentWith } from '../config.ts';
import { makeScratchFolder } from './scratch-folder.ts';

export interface EmbeddedServer extends AsyncDisposable {
  url: string;
  kubeconfig: string;
}

interface Ready {
  ready: true;
  url: string;
  kubeconfig: string;
}

/** A ready embedded API server on a free port. Throws TvmError `unavailable`, with the end of its log, when it ends first. */
export async function startEmbedded(root: string): Promise<EmbeddedServer> {
  await using started = new AsyncDisposableStack();
  const { path: home } = started.use(await makeScratchFolder('apiserver'));
  const logFile = join(home, 'apiserver.log');
  const log = openSync(logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, 'apiserver/main.ts'], {
    cwd: root,
    env: environmentWith({ TVM_HOME: home, TVM_APISERVER_LISTEN: '127.0.0.1:0' }),
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  started.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  const message = new Promise<Ready>((resolve) => child.once('message', (ready) => resolve(ready as Ready)));
  const ready = await Promise.race([message, ended]);
  if (!ready) {
    const end = (await readFile(logFile, 'utf8')).split('\n').slice(-20).join('\n');
    throw new TvmError('unavailable', `the embedded API server ended before it was ready\n${end}`);
  }
  const stack = started.move();
  return { url: ready.url, kubeconfig: ready.kubeconfig, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
