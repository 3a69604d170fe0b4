import { type Connect, type Connection, connectAlone, connectToLeader, connectToWorker } from './ports.js';
import { after, type Config, type Message, NAME, scope, ToHub, ToTab, Wake } from './protocol.js';
import type { ConnectionOptions, Problem, State, TokenReason } from './types.js';

const ALIVE_MS = 5000;
/** So many times without a response, and the hub is frozen or gone. */
const MAX_SILENT = 3;
/** What a tab has read is reported in steps of so many characters. */
const READ_CHARS = 2 ** 16;

/** What the page has of a subscription. */
export interface Handle {
  state: State;
  close(): void;
  /** Has the hub begin again. */
  _again(): void;
}

/** A subscription of this tab. */
interface Entry {
  /** Where in sessionStorage the position is kept; empty if it is not. */
  readonly _key: string;
  /** What takes a message, by its kind in `ToTab`. */
  readonly _takers: readonly (((value: any, more: any) => void) | undefined)[];
  readonly _handle: Handle;
  /** Everything up to here was handed over. */
  _position: string;
}

/** Opens a subscription; with a key it goes on where the page was before it was loaded again. */
type Open = (
  config: Config, names: readonly string[], start: string, key: string, options: ConnectionOptions,
  onData: (value: any) => void, onGap?: (gap: any) => void,
) => Handle;

/** Calls a function of the page. What it throws is the page's own. */
export function run<A extends unknown[]>(then: ((...values: A) => void) | undefined, ...values: A): void {
  try {
    then?.(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** What the page kept before it was loaded again, and keeps now. Without storage it begins anew. */
function stored(key: string, position?: string): string {
  try {
    if (position) sessionStorage[key] = position;
    else if (position === '') delete sessionStorage[key];
    return sessionStorage[key] ?? '';
  } catch {
    return '';
  }
}

/** The subscriptions of a tab that share a hub; `ways` to it, best first. */
function createTab(ways: Connect[]): Open {
  const entries = new Map<number, Entry>();
  let connection: Connection | undefined;
  let timer: ReturnType<typeof setInterval>;
  let silent = 0;
  let hasHeard = false;
  let read = 0;

  const post = (...message: Message) => connection?._post(message);
  const save = () => entries.forEach(({ _key, _position }) => _key && stored(_key, _position));

  /** To a hub that does not know this tab. */
  const introduce = () => {
    entries.forEach(({ _handle }) => _handle._again());
    post(ToHub.Alive, Wake.Dead);
  };

  const connect = (steals = false): void => {
    if (connection || !entries.size) return;
    silent = read = 0;
    hasHeard = false;
    try {
      const own: Connection = (connection = ways[0]!(receive, introduce, () => connection === own && lose(false), steals));
    } catch {
      ways.shift();
      return connect();
    }
    timer = setInterval(() => {
      save();
      if (silent++ < (hasHeard ? MAX_SILENT : 1)) post(ToHub.Alive, Wake.Dead);
      else lose(true);
    }, ALIVE_MS);
  };

  const disconnect = () => {
    save();
    post(ToHub.Leave);
    clearInterval(timer);
    connection?._close();
    connection = undefined;
  };

  /** A leader that is silent is frozen, and replaced. Another hub that never was there is given up for the next way. */
  const lose = (isSilent: boolean) => {
    const steals = isSilent && ways[0] === connectToLeader;
    disconnect();
    if (!steals && !hasHeard && ways[1]) ways.shift();
    connect(steals);
  };

  const receive = ([kind, number, value, position, more]: Message) => {
    const entry = entries.get(number);
    silent = 0;
    hasHeard = true;
    if (kind === ToTab.Forgotten) introduce();
    if (kind === ToTab.Data && (read += more) > READ_CHARS) {
      post(ToHub.Read, read);
      read = 0;
    }
    if (!entry) return;
    run(entry._takers[kind], value, more);
    entry._position = position || entry._position;
    if (value === 'finished') entries.delete(number);
  };

  scope.addEventListener?.('pagehide', disconnect);
  scope.addEventListener?.('pageshow', () => connect());
  // A worker need not hear that the network has returned.
  for (const type of ['online', 'visibilitychange']) {
    scope.addEventListener?.(type, () => {
      save();
      post(ToHub.Alive, Wake.Waiting);
    });
  }

  return (config, names, start, key, { token, onState }, onData, onGap) => {
    const number = Math.random();
    // For one after the other with the same topics.
    while (key && [...entries].some(([, { _key }]) => _key === key)) key += '+';
    const setState = (state: State, problem?: Problem) => {
      if (handle.state !== state || problem) run(onState, (handle.state = state), problem);
    };
    const respond = async (question: number, reason: TokenReason) => {
      try {
        const value: any = await (typeof token === 'function' ? token(reason) : token);
        // Throws for what no header can carry.
        new Headers({ value });
        post(ToHub.Token, question, value);
      } catch (error) {
        post(ToHub.Token, question, '', `${error}`);
      }
    };
    const handle: Handle = {
      state: 'connecting',
      close() {
        entries.delete(number);
        if (key) stored(key, '');
        post(ToHub.Close, number);
        setState('closed');
        if (!entries.size) disconnect();
      },
      _again: () => post(ToHub.Subscribe, number, config, names, after(entry._position) || start),
    };
    const entry: Entry = {
      _key: key, _takers: [onData, onGap, setState, , respond], _handle: handle, _position: key && stored(key),
    };
    entries.set(number, entry);
    handle._again();
    connect();
    return handle;
  };
}

let shared: Open | undefined;
let own: Open | undefined;

/** Where a build finds itself: the worker's address, and the base of the streams' addresses. */
export const place: { _address?: string } = {};

export function open(
  kind: Config[0], path: string, names: readonly string[], start: string, resumes: unknown, options: ConnectionOptions,
  onData: (value: any) => void, onGap?: (gap: any) => void,
): Handle {
  const {
    url = path, token, identity, share = true, worker = place._address, credentials, heartbeat = 15,
  } = options;
  // What no request can carry would only fail in the hub, which other tabs share.
  if (!names.length || names.some((name) => name !== `${name}` || /^$|\p{Cs}/u.test(name))) {
    throw TypeError(`Not a ${kind}: ${JSON.stringify(names)}`);
  }
  // Whose token a function returns is not known, unless it is said; nor whose cookies are sent.
  const isOwn = identity == null && (typeof token === 'function' || credentials === 'include');
  // An option that no request can carry throws here, too.
  const config: Config = structuredClone([
    kind, new Request(new URL(url, place._address ?? scope.document?.baseURI), { credentials: credentials! }).url,
    isOwn ? Math.random() : (identity ?? (token as string)), credentials, heartbeat, token != null,
  ]);
  const openIn = scope.document && share && !isOwn
    ? (shared ??= createTab([connectToWorker(worker), connectToLeader, connectAlone]))
    : (own ??= createTab([connectAlone]));
  // Not the identity, which may be a token, or new each time.
  return openIn(config, names, start, resumes ? NAME + JSON.stringify([config[1], identity, names]) : '', options, onData, onGap);
}
