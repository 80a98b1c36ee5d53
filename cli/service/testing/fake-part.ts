// A part that does nothing but live: says ready, appends to a file that it did, ends with its parent.
import { appendFileSync } from 'node:fs';

const [name = '', journal = '', how = ''] = process.argv.slice(2);
appendFileSync(journal, `${name} started ${process.pid}\n`);
if (how === 'fails') process.exit(3);
if (how === 'says why') process.send?.({ failed: 'TVM_X: means nothing' }, () => process.exit(1));
else serve();

function serve(): void {
  const end = (why: string) => {
    appendFileSync(journal, `${name} stopped ${why}\n`);
    process.exit(0);
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('disconnect', () => end('disconnect'));
  process.send?.({
    ready: true,
    url: 'http://127.0.0.1:1',
    kubeconfig: '/nowhere/kubeconfig',
    address: 'unix:/nowhere.sock',
  });
  setInterval(() => undefined, 1_000);
}
