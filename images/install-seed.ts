// Program: brings the seed in the folder that is its argument into this node's cache (TVM_CACHE_DIR), before flintlock starts.
import { TvmError } from '@tvm/api/errors.ts';
import { cacheFolder } from './config.ts';
import { installSeed } from './seed.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new TvmError('invalid_argument', 'usage: install-seed.ts FOLDER');
const began = performance.now();
await installSeed(folder, cacheFolder());
console.log(
  `kernel, agent and default images are in ${cacheFolder()} after ${Math.round(performance.now() - began)} ms`,
);
