// What a test's internet serves, in a namespace: a web server on each address that says where it was reached or, as /large, gives
// 2 MiB; and a DNS server whose records the parent sets. A process of its own; its arguments: the address of the DNS server.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { decode, encode } from 'dns-packet';

const [dnsAddress = ''] = process.argv.slice(2);
const large = Buffer.alloc(2_097_152);
const webPorts = [80, 443, 853, 8080];

export interface Zone {
  /** Addresses by name; a name that is not there does not exist. */
  [name: string]: string[];
}

let zone: Zone = {};
const asked: string[] = [];

const dns = createSocket('udp4');
dns.on('message', (message, { address, port }) => {
  const { id, questions = [] } = decode(message);
  const [question] = questions;
  if (!question || id === undefined) return;
  asked.push(question.name);
  const addresses = zone[question.name];
  const answers = (addresses ?? []).map((data) => ({ type: 'A' as const, name: question.name, ttl: 1, data }));
  const found = question.type === 'A' ? answers : [];
  dns.send(encode({ type: 'response', id, flags: addresses ? 0 : 3, questions, answers: found }), port, address);
});

process.on('message', (message: { zone?: Zone; what?: 'asked' }) => {
  if (message.zone) zone = message.zone;
  process.send?.({ asked });
});
process.once('disconnect', () => process.exit(0));

await new Promise<void>((resolve) => dns.bind(53, dnsAddress, resolve));
for (const port of webPorts) {
  const server = createServer((request, response) => {
    const text = `${request.socket.localAddress}:${port}`;
    request.resume().once('end', () => response.end(request.url === '/large' ? large : text));
  });
  await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve));
}
process.send?.('ready');
