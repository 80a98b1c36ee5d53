// A connection to one MCP server, message by message, of one era of the protocol. Invariant: messages arrive in the order in
// which they were sent, and none arrives after the end.
import type { TvmError } from '@tvm/api/errors.ts';
import type { Message, MessageId } from './messages.ts';

/**
 * What takes messages: the next one is not read before this is done. `about` is the client's request that a request or
 * notification belongs to, when that is known.
 */
export type Receiver = (message: Message, about?: MessageId) => void | Promise<void>;

export interface Wire {
  /** Never throws; after the end it does nothing. */
  send(message: Message): void;
  /** Whoever calls this gets the messages from now on. Those that came before wait for the first. */
  receive(receiver: Receiver): void;
  /** Resolves, once, with why it ended. */
  readonly ended: Promise<TvmError>;
  end(): void;
}
