// vvm: parses the command line, runs the command, ends with its exit code after all output is written.
import { enableCompileCache } from 'node:module';
import { compileCacheFolder } from './config.ts';

enableCompileCache(compileCacheFolder());
const { run } = await import('./run.ts');
process.exit(await run(process.argv.slice(2)));
