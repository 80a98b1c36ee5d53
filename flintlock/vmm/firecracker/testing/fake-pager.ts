// A program that starts and ends as the pager does, for a fake Firecracker whose memory nobody has to give.
import { accessSync } from 'node:fs';
import { createServer } from 'node:net';

const [socket = '', memory = ''] = process.argv.slice(2);
try {
  accessSync(memory);
} catch (error) {
  console.error(`tvm-pager: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
createServer((vmm) => vmm.resume().on('close', () => process.exit(0))).listen(socket, () => console.log('ready'));
