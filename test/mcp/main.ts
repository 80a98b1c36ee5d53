// npm run test:mcp: the tests of the tier, and last of all how many scenarios of each revision passed. Arguments are those of
// scripts/run-tests.ts.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeScratchFolder } from '../cluster/scratch-folder.ts';
import { environmentWith } from '../config.ts';
import { scoreLines } from './scores.ts';

await using scratch = await makeScratchFolder('mcp-scores');
const file = join(scratch.path, 'scores');
writeFileSync(file, '');
const args = ['scripts/run-tests.ts', 'mcp', ...process.argv.slice(2)];
const env = environmentWith({ TVM_MCP_SCORES: file });
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env });
for (const line of scoreLines(file)) console.log(line);
process.exitCode = status ?? 1;
