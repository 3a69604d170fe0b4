/** An event as it was published. */
export interface SseEvent {
  /** Its position in history: strictly increasing. */
  readonly id: string;
  /** The idempotency key that the publisher chose. */
  readonly own_id: string | null;
  readonly topics: readonly string[];
  /** Its name, or `null` if it has none. */
  readonly event: string | null;
  readonly data: string;
  readonly retry: number | null;
  /** `true` for a private event, absent otherwise. */
  readonly private?: true;
  /** When the server accepted it. */
  readonly time: string;
}

/** History no longer holds what follows the position that was requested: events were lost. */
export interface Gap {
  readonly requested: string;
  /** The oldest event that history holds, of any topic; `null` if it holds none. */
  readonly oldest: string | null;
}

/**
 * - `connecting`: no stream yet.
 * - `open`: events arrive.
 * - `waiting`: the stream was cut or could not be opened; it is tried again.
 * - `refused`: the server refuses the request (400, 401, 403, …); it is tried again rarely.
 * - `finished`: the server has said by 204 that the stream will not continue.
 * - `closed`: `close()` was called.
 */
export type State = 'connecting' | 'open' | 'waiting' | 'refused' | 'finished' | 'closed';

/** Why a subscription is `waiting` or `refused`. */
export interface Problem {
  /**
   * The server's code, such as `topic_not_granted`; or `disconnected`, `event_too_long`, `patch_failed`,
   * `token_failed`, or `http_` and the status of a response without a code.
   */
  readonly code: string;
  readonly status?: number;
  readonly detail?: string;
  /** Milliseconds until the next attempt. */
  readonly retryIn?: number;
}

/** Why a token is requested: for a connection, since it ends soon, or since the server has refused the last one. */
export type TokenReason = 'connect' | 'expiring' | 'refused';

/** The token itself, or a function that is called for each connection, on `expiring`, and after a 401 or 403. */
export type Token = string | ((reason: TokenReason) => string | void | Promise<string | void>);

export interface ConnectionOptions {
  /** The address of the stream. */
  url?: string | URL;
  /** Sent as `Authorization: Bearer`. A function that renews a cookie instead returns nothing. */
  token?: Token;
  /**
   * Whose token or cookie it is, such as the user's id. Tabs with the same `url` and `identity` share one stream. Give
   * it wherever a cookie decides what may be read: another user may sign in.
   */
  identity?: string;
  /** `include` sends cookies to another origin. Without an `identity` the stream is then not shared. */
  credentials?: RequestCredentials;
  /** Seconds, 1 to 3600: without a byte for twice as long, the connection counts as dead. 15 by default. */
  heartbeat?: number;
  /** `false`: this tab has a stream of its own. */
  share?: boolean;
  /**
   * The address of `client.js` on the page's own origin, for a SharedWorker; `false` for none. The tab's first call
   * decides.
   */
  worker?: string | URL | false;
  onState?: (state: State, problem?: Problem) => void;
}

export interface SubscribeOptions extends ConnectionOptions {
  topics: string | readonly string[];
  onEvent: (event: SseEvent) => void;
  onGap?: (gap: Gap) => void;
  /** Begin after this id. */
  lastEventId?: string;
  /** Begin with the events since then: `10m`, a time, an id or `earliest`. */
  since?: string | number;
  /** Begin with the last so many events. */
  last?: number;
  /** `session`: a page that is loaded again in the same tab goes on where it was. The default unless a start is given. */
  resume?: 'session' | false;
}

export interface Subscription {
  readonly state: State;
  close(): void;
}

/** A document of the server, kept up to date. Also a Svelte store. */
export interface Signal<T> {
  /** The document, which is never changed in place; `undefined` while there is none. */
  readonly value: T | undefined;
  readonly state: State;
  /** Calls `run` at once and after each change, until the function that it returns is called. */
  subscribe(run: (value: T | undefined) => void): () => void;
  close(): void;
}
