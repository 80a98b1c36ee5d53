// Starts the wanted API servers once for all test files of a run (node --test-global-setup).
import { publishServer, readConfig } from '../config.ts';
import { type OpenServer, openServer } from './open-server.ts';

const opened: OpenServer[] = [];

export async function globalSetup(): Promise<void> {
  const config = readConfig();
  try {
    for (const name of config.targets) {
      const open = await openServer(name, config);
      opened.push(open);
      publishServer(name, open.server);
    }
  } catch (error) {
    await globalTeardown();
    throw error;
  }
}

export async function globalTeardown(): Promise<void> {
  for (const open of opened.splice(0)) await open[Symbol.asyncDispose]();
}
