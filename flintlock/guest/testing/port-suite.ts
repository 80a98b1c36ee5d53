// What holds for connections to ports of a guest, whatever its agent: run against the fake one and the real one.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestConnection } from '../connection.ts';
import { type DialledPort, dialPort } from '../ports.ts';

export interface PortSuiteSubject {
  connection: GuestConnection;
  /** Sends back what comes, and ends when the other side does. */
  echoPort: number;
  closedPort: number;
}

export function describePorts(name: string, subject: () => PortSuiteSubject): void {
  describe(`ports of a guest: ${name}`, () => {
    const dial = (port: number, signal?: AbortSignal) => dialPort(subject().connection, { port }, signal);
    const bytesOf = async ({ answers }: DialledPort) => {
      const parts: Uint8Array[] = [];
      for await (const body of answers) if (body.case === 'chunk') parts.push(body.value);
      return Buffer.concat(parts);
    };

    test('bytes go both ways, far more than any window, and each direction has an end', async () => {
      const dialled = await dial(subject().echoPort);
      assert.equal(dialled.connected.address, `127.0.0.1:${subject().echoPort}`);
      const sent = randomBytes(3_000_000);
      const received = bytesOf(dialled);
      await dialled.send({ case: 'chunk', value: sent });
      await dialled.send({ case: 'end', value: true });
      assert.ok((await received).equals(sent));
    });

    test('where nothing listens, and where no port is', async () => {
      const { closedPort } = subject();
      await assert.rejects(dial(closedPort), {
        code: 'failed_precondition',
        reason: 'NothingListens',
        message: new RegExp(`nothing listens on port ${closedPort} of the machine`),
      });
      await assert.rejects(dial(0), { code: 'invalid_argument' });
      await assert.rejects(dial(65_536), { code: 'invalid_argument' });
    });

    test('who does not read holds back the port; others go on', async () => {
      const leave = new AbortController();
      const stuck = await dial(subject().echoPort, leave.signal);
      const filling = stuck.send({ case: 'chunk', value: Buffer.alloc(40_000_000) }).then(
        () => 'taken',
        () => 'over',
      );
      assert.equal(await Promise.race([filling, sleep(150, 'waits')]), 'waits');
      const other = await dial(subject().echoPort);
      await other.send({ case: 'chunk', value: Buffer.from('hello') });
      await other.send({ case: 'end', value: true });
      assert.equal((await bytesOf(other)).toString(), 'hello');
      leave.abort();
      assert.equal(await filling, 'over');
    });

    test('many connections at once; a caller that leaves frees its own', async () => {
      for (let round = 0; round < 3; round += 1) {
        const leave = new AbortController();
        const all = await Promise.all(Array.from({ length: 100 }, () => dial(subject().echoPort, leave.signal)));
        assert.equal(all.length, 100);
        leave.abort();
      }
      const last = await dial(subject().echoPort);
      await last.send({ case: 'end', value: true });
      assert.equal((await bytesOf(last)).length, 0);
    });
  });
}
