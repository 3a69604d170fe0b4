import { createHub, type Hub } from './hub.js';
import { type Message, NAME, type Post, scope, ToTab } from './protocol.js';

/** A tab's way to a hub. */
export interface Connection {
  readonly _post: Post;
  _close(): void;
}

/**
 * Connects a tab to a hub. `receive` takes what the hub sends; `ready` is called whenever there is a new hub, which knows
 * nothing of the tab; `lost` when there is none any more. `steals` if the last one did not respond.
 */
export type Connect = (receive: Post, ready: () => void, lost: () => void, steals: boolean) => Connection;

const later = (receive: Post) => (message: Message) => queueMicrotask(() => receive(message));

/** A hub for this tab alone. */
export const connectAlone: Connect = (receive, ready) => {
  const hub = createHub();
  queueMicrotask(ready);
  return { _post: hub._join(later(receive)), _close: hub._close };
};

export const connectToWorker = (url: string | URL | false | undefined): Connect => (receive, ready, lost) => {
  if (!url) throw url;
  const worker = new SharedWorker(url, { type: 'module', name: NAME });
  const { port } = worker;
  worker.onerror = lost;
  port.onmessage = ({ data }) => receive(data);
  queueMicrotask(ready);
  return { _post: (message) => port.postMessage(message), _close: () => port.close() };
};

/** In the worker. */
export function serveTabs(): void {
  const hub = createHub();
  scope.onconnect = ({ ports: [port] }: { ports: MessagePort[] }) => {
    const receive = hub._join((message) => port!.postMessage(message));
    port!.onmessage = ({ data }) => receive(data);
  };
}

/**
 * The tab that holds the lock has the hub. A tab is sent messages by a channel of its own, named by its id, each with
 * the id of the sender; on the common channel the leader gives its id, and a tab that is new asks for it.
 */
export const connectToLeader: Connect = (receive, ready, lost, steals) => {
  const id = `${Math.random()}`;
  const end = new AbortController();
  const channels: Record<string, BroadcastChannel> = {};
  const tabs: Record<string, Post> = {};
  let leader = '';
  let hub: Hub | undefined;
  let toHub: Post = (message) => leader && channel(leader).postMessage([id, message]);
  let release: (() => void) | undefined;

  const channel = (name: string) => (channels[name] ??= new BroadcastChannel(NAME + name));
  const announce = () => channel('').postMessage(leader);

  const lead = () => {
    leader = id;
    hub = createHub();
    toHub = hub._join(later(receive));
    announce();
    ready();
    return new Promise<void>((resolve) => (release = resolve));
  };
  // First, as there may be none.
  navigator.locks.request(NAME, steals ? { steal: true } : { signal: end.signal }, lead).catch(() => {
    if (!end.signal.aborted) lost();
  });
  const join = (from: string) => hub!._join((message) => {
    channel(from).postMessage([id, message]);
    if (message[0] !== ToTab.Forgotten) return;
    channel(from).close();
    delete channels[from];
    delete tabs[from];
  });
  channel(id).onmessage = ({ data: [from, message] }) => {
    if (hub) (tabs[from] ??= join(from))(message);
    else if (from === leader) receive(message);
  };
  channel('').onmessage = ({ data }) => {
    if (hub) data || announce();
    else if (data && data !== leader) {
      leader = data;
      ready();
    }
  };
  announce();
  return {
    _post: (message) => toHub(message),
    _close() {
      end.abort();
      release?.();
      hub?._close();
      for (const name in channels) channels[name]!.close();
    },
  };
};
