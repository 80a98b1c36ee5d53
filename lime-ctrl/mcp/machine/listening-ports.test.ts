import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { portsOf } from './listening-ports.ts';

const line = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 368 1 0 100 0 0 10 0`;

test('those that listen, of both tables, each once, by port', () => {
  const tables = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    line('00000000:1F40'),
    line('0100007F:0016'),
    line('0100007F:1F40', '01'),
    line('00000000:1F40'),
    line('00000000000000000000000000000000:1F41'),
    line('00000000000000000000000001000000:1F42'),
    line('B80D01200000000000000000EF000000:1F43'),
  ].join('\n');
  assert.deepEqual(portsOf(tables), [
    { port: 22, address: '127.0.0.1' },
    { port: 8000, address: '0.0.0.0' },
    { port: 8001, address: '::' },
    { port: 8002, address: '::1' },
    { port: 8003, address: '2001:db8::ef' },
  ]);
});

test('a machine that lies makes neither an error nor more than is bearable', () => {
  fc.assert(fc.property(fc.string(), (text) => void portsOf(text)));
  const many = Array.from({ length: 10_000 }, (_, at) =>
    line(`00000000:${at.toString(16).toUpperCase().padStart(4, '0')}`),
  );
  assert.equal(portsOf(many.join('\n')).length, 200);
});
