// Asks the node's name servers. Invariant: each question has a socket, so a port, and a number of its own; only an answer to it from
// whom it was put to counts.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { TvmError } from '@tvm/api/errors.ts';
import {
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_DESIRED,
  streamEncode,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { normalName } from './questions.ts';

const port = 53;
const timeoutMs = 2_000;
const maxServers = 3;
const maxMessageBytes = 16_384;

/** The first answer of the servers, which are asked one after the other. Throws `unavailable`. */
export async function askUpstream(servers: readonly string[], question: Question): Promise<Packet> {
  let failure: unknown = new TvmError('unavailable', 'no name server is known');
  for (const server of servers.slice(0, maxServers)) {
    const query: Packet = {
      type: 'query',
      id: randomInt(0x10000),
      flags: RECURSION_DESIRED,
      questions: [question],
    };
    try {
      const answer = await askByDatagram(server, query);
      return ((answer.flags ?? 0) & TRUNCATED_RESPONSE) === 0 ? answer : await askByStream(server, query);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function askByDatagram(server: string, query: Packet): Promise<Packet> {
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
  try {
    return await withinTime(server, (resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (message) => {
        const answer = answerTo(query, message);
        if (answer) resolve(answer);
      });
      socket.connect(port, server, () => socket.send(encode(query)));
    });
  } finally {
    socket.close();
  }
}

async function askByStream(server: string, query: Packet): Promise<Packet> {
  const socket = connect(port, server);
  try {
    return await withinTime(server, (resolve, reject) => {
      let received = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('data', (data) => {
        received = Buffer.concat([received, data]);
        const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
        if (received.length > maxMessageBytes) reject(new TvmError('unavailable', `${server} sends too much`));
        if (received.length < length + 2) return;
        const answer = answerTo(query, received.subarray(2, length + 2));
        if (answer) resolve(answer);
        else reject(new TvmError('unavailable', `${server} answers something else`));
      });
      socket.end(streamEncode(query));
    });
  } finally {
    socket.destroy();
  }
}

function withinTime<T>(
  server: string,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new TvmError('unavailable', `name server ${server} does not answer`)),
      timeoutMs,
    );
    const settled =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        clearTimeout(timer);
        settle(value);
      };
    start(settled(resolve), settled(reject));
  });
}

/** Undefined for what answers another question, or cannot be read. */
function answerTo(query: Packet, message: Buffer): Packet | undefined {
  const answer = decoded(message);
  const [asked] = query.questions ?? [];
  const [question] = answer?.questions ?? [];
  const isSame =
    asked && question && question.type === asked.type && normalName(question.name) === normalName(asked.name);
  return answer?.type === 'response' && answer.id === query.id && isSame ? answer : undefined;
}

/** Undefined for what is no DNS message. */
export function decoded(message: Buffer): Packet | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}
