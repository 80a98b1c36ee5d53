// Makes sure that the service runs. Any number of callers at once end with one service, and all learn how it went.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes, TvmError } from '@tvm/api/errors.ts';
import type { Config } from '../config.ts';
import { logTail, openLog } from './log-file.ts';
import { readServiceFile, type ServiceState, serviceFilePath } from './service-file.ts';

const startDeadlineMs = 120_000;
const pollMs = 30;
/** So long may whoever holds the lock say nothing of itself: it starts or ends. */
const defaultSilenceMs = 10_000;
const retryMs = 500;
const supervisorProgram = join(import.meta.dirname, 'supervisor-main.ts');
/** flock's exit code when another holds the lock. */
const lockTakenCode = 75;

export function logFilePath(home: string): string {
  return join(home, 'service.log');
}

/** The service's state when it serves, at once; undefined otherwise. */
export function runningService(config: Config): ServiceState | undefined {
  const file = readServiceFile(config.home);
  return file?.alive && file.state.state === 'running' ? file.state : undefined;
}

/** Starts the service when none runs. `say` hears what goes on. Throws TvmError when it does not come up. */
export async function ensureService(
  config: Config,
  say: (message: string) => void,
  program = supervisorProgram,
  silenceMs = defaultSilenceMs,
): Promise<ServiceState> {
  const running = runningService(config);
  if (running) return running;
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  say('starting the service');
  const deadline = performance.now() + startDeadlineMs;
  let said = '';
  let attempt = launch(config, program);
  let heardAt = performance.now();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    const file = readServiceFile(config.home);
    if (file?.alive && file.state.state === 'running') return file.state;
    if (file?.alive && file.state.message !== said) {
      said = file.state.message;
      say(`service: ${said}`);
    }
    if (attempt.pid !== undefined && file?.state.pid === attempt.pid && file.state.failure) throw failed(file.state);
    const ended = attempt.ended();
    if (file?.alive) heardAt = performance.now();
    // Another start holds the lock: its outcome is ours, and when it leaves none, we try ourselves.
    if (ended === lockTakenCode && !file?.alive) {
      if (performance.now() > heardAt + silenceMs) throw heldInSilence(config.home);
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      attempt = launch(config, program);
    } else if (ended !== undefined && ended !== lockTakenCode)
      throw neverServed(config, attempt.logStart, `ended with code ${ended}`);
    if (performance.now() > deadline)
      throw neverServed(config, attempt.logStart, `not ready after ${startDeadlineMs / 1000} s`);
  }
}

interface Attempt {
  pid: number | undefined;
  ended: () => number | undefined;
  logStart: number;
}

function launch(config: Config, program: string): Attempt {
  const logFile = logFilePath(config.home);
  const fd = openLog(logFile);
  const logStart = statSync(logFile).size;
  const lock = ['--no-fork', '--nonblock', '--conflict-exit-code', String(lockTakenCode), lockPath(config.home)];
  const child = spawn('flock', [...lock, process.execPath, program], {
    cwd: '/',
    detached: true,
    env: { ...config.environment, TVM_HOME: config.home, TVM_CACHE_DIR: config.cache },
    stdio: ['ignore', fd, fd],
  });
  closeSync(fd);
  let ended: number | undefined;
  child.once('exit', (code) => {
    ended = code ?? 1;
  });
  child.once('error', () => {
    ended = 127;
  });
  child.unref();
  return { pid: child.pid, ended: () => ended, logStart };
}

function lockPath(home: string): string {
  return join(home, 'service.lock');
}

function heldInSilence(home: string): TvmError {
  const lock = lockPath(home);
  const message = `the service does not start: another process holds ${lock}, and ${serviceFilePath(home)} tells of none`;
  return new TvmError('unavailable', message, {
    hint: `See which with "fuser -v ${lock}" and end it, or set TVM_HOME to another folder.`,
  });
}

function failed(state: ServiceState): TvmError {
  const code = errorCodes.find((each) => each === state.failure?.code) ?? 'internal';
  return new TvmError(code, `the service does not start: ${state.message}`, {
    hint: state.failure?.hint ?? `Its log: ${state.logFile}\n${logTail(state.logFile, 6)}`,
  });
}

function neverServed(config: Config, logStart: number, why: string): TvmError {
  const logFile = logFilePath(config.home);
  return new TvmError('unavailable', `the service does not start: ${why}`, {
    hint: `Its log: ${logFile}\n${logTail(logFile, 15, logStart)}`,
  });
}
