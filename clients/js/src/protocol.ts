/** What tabs and hubs say to each other: arrays, so that no name in them depends on the build. */

/** Names the worker, the lock and the channels. It changes with the messages: tabs of two versions share nothing. */
export const NAME = 'sse-broadcaster/1';

/** What all who share a stream have in common. `kind` is the parameter that names what is subscribed to. */
export type Config = [
  kind: 'topic' | 'name',
  url: string,
  identity: string | number | undefined,
  credentials: RequestCredentials | undefined,
  heartbeatSeconds: number,
  hasToken: boolean,
];

/** To a hub, each as an array that begins with one of these. */
export const enum ToHub {
  /** number, config, names, start as a part of a query. */
  Subscribe,
  /** number. */
  Close,
  /** How much the tab has read. */
  Read,
  /** number of the question, token, why there is none. */
  Token,
  /** `Wake`. The hub responds with a position for each subscription. */
  Alive,
  /** The tab is leaving. */
  Leave,
}

/** Which links connect again. */
export const enum Wake {
  /** Those that are dead. */
  Dead,
  /** And those that wait for the time of their next attempt. */
  Waiting,
  /** All, as the network has changed under them. */
  All,
}

/** To a tab. */
export const enum ToTab {
  /** number, event or change of a document, position, size. */
  Data,
  /** number, gap, position. */
  Gap,
  /** number, state, position, problem. */
  State,
  /** number, nothing, position. */
  Position,
  /** number, number of the question, nothing, reason. */
  Token,
  /** The last message: the tab has left, or was taken for dead. */
  Forgotten,
}

export type Message = any[];
export type Post = (message: Message) => void;

export const AFTER = 'last_event_id=';

/** The start of a stream or a page after this id, as a part of a query. */
export const after = (id: string): string => id && AFTER + encodeURIComponent(id);

/** About so long: each client at a time of its own. */
export const spread = (ms: number): number => ms * (0.75 + Math.random() / 2);

/** Half a minute at most. */
export const backoff = (base: number, attempts: number): number => spread(Math.min(base * 2 ** attempts, 30_000));

/** A window, a worker or Node.js, which do not have all of it. */
export const scope: Partial<Window & { onconnect: unknown; SharedWorkerGlobalScope: unknown }> = globalThis as any;
