// The supervisor's process: started by "vvm up" under flock(1), in a session of its own, with the log as its output.
// Invariant: one a home (the lock lives as long as the process, however it ends).
import { makeLogger } from '@tvm/kit/log.ts';
import { runMain } from '@tvm/kit/run-main.ts';
import { readConfig } from '../config.ts';
import { serve } from './serve.ts';

/** Its parts have deadlines of their own, one after the other, and machines have to be ended in between. */
const closeDeadlineMs = 100_000;

const config = readConfig();
const log = makeLogger('supervisor', config.environment.TVM_LOG_LEVEL ?? 'info');
await runMain(log, (signal) => serve(config, log, signal), closeDeadlineMs);
