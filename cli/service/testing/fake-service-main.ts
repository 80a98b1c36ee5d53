// A supervisor's process whose parts are fake-part.ts: what "vvm up" starts in tests. FAKE_FAILING says which of them
// fails, FAKE_HOW in which way.
import { join } from 'node:path';
import { makeLogger } from '@tvm/kit/log.ts';
import { runMain } from '@tvm/kit/run-main.ts';
import { readConfig } from '../../config.ts';
import { serve } from '../serve.ts';

const config = readConfig();
const log = makeLogger('supervisor');
const program = join(import.meta.dirname, 'fake-part.ts');
const journal = join(config.home, 'journal');
await runMain(log, (signal) =>
  serve(config, log, signal, {
    endMachines: async () => 0,
    untilUsable: async () => true,
    specOf: (name) => ({
      name,
      argv: [
        program,
        name,
        journal,
        config.environment.FAKE_FAILING === name ? (config.environment.FAKE_HOW ?? 'fails') : '',
      ],
      environment: config.environment,
    }),
  }),
);
