import { createGroup } from './group.js';
import type { Group, Port } from './model.js';
import { type Config, type Message, type Post, scope, ToTab, Wake } from './protocol.js';
import { createSub, isReady } from './sub.js';

const TICK_MS = 2000;
/** A tab that says nothing for so many ticks, three minutes, is frozen or gone. */
const MAX_SILENT_TICKS = 90;

/** Holds the streams of all tabs that have joined it. */
export interface Hub {
  /** `post` takes what is for the tab; what is returned takes what comes from it. */
  _join(post: Post): Post;
  _close(): void;
}

export function createHub(): Hub {
  const groups = new Set<Group>();
  const questions = new Map<number, Post>();
  const ports = new Set<Port>();
  const end = new AbortController();

  const wake = (level: Wake) => groups.forEach((group) => group._wake(level));

  const remove = ({ _subs }: Port, number: number) => {
    const sub = _subs.get(number);
    _subs.delete(number);
    sub?._detach();
    sub?._group._remove(sub);
  };

  const drop = (port: Port) => {
    ports.delete(port);
    for (const number of port._subs.keys()) remove(port, number);
    port._post([ToTab.Forgotten]);
  };

  const subscribe = (port: Port, number: number, config: Config, names: string[], start: string) => {
    remove(port, number);
    const key = JSON.stringify(config) + names.includes('*');
    const found = [...groups].find((group) => group._key === key && group._hasRoom(names));
    const sub = createSub(port, number, found ?? createGroup(groups, questions, key, config), new Set(names), start);
    port._subs.set(number, sub);
    sub._group._add(sub);
  };

  const read = (port: Port, size: number) => {
    port._unread -= size;
    if (isReady(port)) port._subs.forEach((sub) => sub._link || sub._group._schedule());
  };

  const respond = (_: Port, question: number, ...response: Message) => questions.get(question)?.(response);

  const isAlive = (port: Port, level: Wake) => {
    wake(level);
    port._subs.forEach((sub) => sub._post(ToTab.Position, 0, sub._position()));
  };

  /** What takes a message, by its kind in `ToHub`. */
  const takers: ((port: Port, ...rest: any) => void)[] = [subscribe, remove, read, respond, isAlive, drop];

  const timer = setInterval(() => {
    wake(Wake.Dead);
    for (const port of ports) if (++port._silentTicks > MAX_SILENT_TICKS) drop(port);
  }, TICK_MS);
  for (const type of ['online', 'offline']) {
    // Of the options it has the `signal`.
    scope.addEventListener?.(type, () => wake(Wake.All), end);
  }

  return {
    _join(_post) {
      const port: Port = { _post, _subs: new Map(), _unread: 0, _silentTicks: 0 };
      return ([kind, ...rest]) => {
        ports.add(port);
        port._silentTicks = 0;
        takers[kind]!(port, ...rest);
      };
    },
    _close() {
      end.abort();
      clearInterval(timer);
      groups.forEach((group) => group._close());
    },
  };
}
