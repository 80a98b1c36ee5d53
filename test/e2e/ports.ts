// What a test of ports needs of a machine: servers inside it, and callers of them.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { Service } from './service.ts';
import { until } from './until.ts';

/** Starts the servers of port-servers.py in the machine, with `large` among the files that it serves. */
export async function startPortServers(service: Service, machine: string, large: Uint8Array): Promise<void> {
  const program = await readFile(join(import.meta.dirname, 'port-servers.py'));
  const put = async (path: string, content: Uint8Array) => {
    const write = `mkdir -p /root/site/dir && cat > ${path}`;
    await service.ok(['exec', '-i', machine, '--', 'sh', '-c', write], { stdin: content });
  };
  await put('/root/servers.py', program);
  await put('/root/site/large', large);
  await service.ok([
    'exec',
    machine,
    '--',
    'sh',
    '-c',
    ': > /root/servers.log; python3 /root/servers.py >> /root/servers.log 2>&1 &',
  ]);
  await until('the servers listen', async () => {
    const log = await service.ok(['exec', machine, '--', 'cat', '/root/servers.log']);
    return log.includes('serving');
  });
}

/** What a WebSocket there sends back; throws when it does not open. */
export async function echoOf(url: string, text: string, headers: Record<string, string> = {}): Promise<string> {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers, perMessageDeflate: false });
  try {
    await once(socket, 'open');
    socket.send(text);
    const [data] = await once(socket, 'message');
    return String(data);
  } finally {
    socket.terminate();
  }
}
