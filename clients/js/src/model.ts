/** What a hub keeps: tabs, their subscriptions, and the streams that these share. */
import type { Message, Post, ToTab, Wake } from './protocol.js';
import type { Problem, SseEvent, State, TokenReason } from './types.js';

/** A tab, as its hub sees it. */
export interface Port {
  readonly _post: Post;
  readonly _subs: Map<number, Sub>;
  _unread: number;
  _silentTicks: number;
}

/** A subscription of a tab, as its hub sees it. */
export interface Sub {
  readonly _port: Port;
  readonly _group: Group;
  readonly _names: ReadonlySet<string>;
  /** Where it begins, as a part of a query; empty for what is published from now on. */
  _start: string;
  /** The stream that it reads. Without one it waits, and then begins at `_start`. */
  _link?: Link | undefined;
  /** What the stream has brought while history is read for it. */
  _held?: SseEvent[] | undefined;
  /** More came than may be held: history has to be read further. */
  _hasLost?: boolean;
  /** Up to here it has everything, by history or from before: the stream may be behind that. */
  _lastRead: string;
  /** Of the next attempt, while it is refused. */
  _timer?: ReturnType<typeof setTimeout> | undefined;
  _wants(value: any): boolean;
  _post(kind: ToTab, ...rest: Message): void;
  _postState(state: State, problem?: Problem): void;
  /**
   * Sends this to the tab, once. If the tab has too much unread, the subscription leaves its stream, and goes on at
   * `start` when that is read.
   */
  _send(value: any, start?: string): boolean;
  _hold(event: SseEvent): void;
  /** Begins to hold. Where something was held, it is missing then. */
  _lose(): void;
  /** Leaves its stream; `start` is where it is. */
  _detach(start?: string): void;
  /** Everything up to here was sent; empty if that cannot be said, or is behind `_start`. */
  _position(): string;
}

/**
 * Subscriptions that share a stream. If it lacks a name, a second stream with all names is opened beside it, and
 * replaces it once it is there. That one begins with what is published from then on, so new subscriptions are sent
 * nothing from before. For those that have a position, history is read from there on (`catchUp`).
 */
export interface Group {
  readonly _key: string;
  _add(sub: Sub): void;
  _remove(sub: Sub): void;
  _hasRoom(names: Iterable<string>): boolean;
  /** Has what is wanted compared with the streams that there are. */
  _schedule(after?: number): void;
  /** Has streams connect again. A connection on which nothing came for twice the time of a heartbeat is dead. */
  _wake(level: Wake): void;
  _close(): void;
}

/** One stream, which is opened again after its last id whenever it ends. */
export interface Link {
  readonly _names: ReadonlySet<string>;
  /** Of signals: the documents. */
  readonly _documents: Map<string, unknown>;
  _last: string;
  /** What came before `connected`: last events of topics. */
  _latest?: SseEvent[];
  /** `connected` has come on this connection. */
  _isOpen?: boolean;
  /** And nothing is replayed, since it began with what was published from then on. */
  _isFresh?: boolean;
  /** Connects at once, in place of the connection that there is. Without a reason the token is that of before. */
  _connect(reason?: TokenReason): Promise<void>;
  /** Connects again if that is called for. Without a byte for `silence` a connection is dead. */
  _wake(level: Wake, silence: number): void;
  _close(): void;
}

/** Why a request failed. */
export interface Refusal extends Problem {
  /** Milliseconds, by the header `Retry-After`. */
  readonly retryAfter?: number;
}
