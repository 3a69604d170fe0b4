import { createLink } from './link.js';
import { catchUp } from './catch-up.js';
import type { Group, Link, Sub } from './model.js';
import { after, AFTER, type Config, type Post, spread, ToTab } from './protocol.js';
import { createSend, isPermanent, queryOf } from './request.js';
import { isReady } from './sub.js';
import type { Problem, State, TokenReason } from './types.js';

/** Tabs that come together are one change of the stream. */
const GATHER_MS = 30;
/** A page that is left for another may want the same topics. */
const SHRINK_MS = 5000;
const MAX_NAMES = 100;
const REFUSED_MS = 60_000;

const isSubset = (names: ReadonlySet<string>, of: ReadonlySet<string>): boolean => [...names].every((name) => of.has(name));

const unionOf = (subs: { _names: Iterable<string> }[]): Set<string> => new Set(subs.flatMap((sub) => [...sub._names]));

export function createGroup(groups: Set<Group>, questions: Map<number, Post>, key: string, config: Config): Group {
  const [kind, , , , heartbeat, hasToken] = config;
  const isOfEvents = kind === 'topic';
  const subs = new Set<Sub>();
  const [send, renewToken] = createSend(config, subs, questions);
  let main: Link | undefined;
  /** Is to replace the main one. */
  let next: Link | undefined;
  /** Something of what is wanted is refused: subscriptions are added one after the other, to find out which. */
  let batch = Infinity;

  // --- Who reads which stream.

  const waiting = () => [...subs].filter((sub) => !sub._link && isReady(sub._port));

  /** Takes all off this stream, each with its position. */
  const leave = (link: Link) => {
    if (link === main) main = undefined;
    else next = undefined;
    for (const sub of subs) if (sub._link === link) sub._detach();
    link._close();
  };

  /** Has those read this stream that wait, and whose names it has. */
  const attachAll = (link: Link) => {
    const starts = new Map<string, Sub[]>();
    for (const sub of waiting()) {
      if (!isSubset(sub._names, link._names)) continue;
      sub._link = link;
      sub._lastRead = sub._start.slice(AFTER.length);
      if (!isOfEvents) {
        for (const name of sub._names) {
          sub._send({
            name, patch: link._documents.has(name) && [{ op: 'replace', path: '', value: link._documents.get(name) }],
          });
        }
      } else if (!sub._start) {
        link._latest!.forEach((event) => sub._wants(event) && sub._send(event));
      } else if (sub._start !== after(link._last)) {
        sub._lose();
        starts.set(sub._start, [...(starts.get(sub._start) ?? []), sub]);
      }
      sub._postState('open');
    }
    starts.forEach((those, start) => catchUp(link, start, those, send, refuse));
    // Others may want something else, or follow one after the other.
    schedule();
  };

  /** Has a stream for what is wanted, and for nothing else if `exact`. */
  const plan = (exact?: boolean) => {
    if (!subs.size) return close();
    const link = next ?? main;
    const those = waiting();
    if (!those.length) batch = Infinity;
    const names = unionOf([...[...subs].filter((sub) => sub._link), ...those.slice(0, batch)]);
    if (link && isSubset(names, link._names) && !(exact && link._names.size > names.size)) {
      // It is on its way, brings nothing new to anyone, or has not begun.
      if (link === next || !those.length || !link._last) return;
      if (link._isFresh) return attachAll(link);
    }
    next?._close();
    if (main && !(main._isOpen && names.size)) leave(main);
    next = names.size ? createLink(names, open, onConnecting, onBlock, onConnected, onFailure) : undefined;
    next?._connect('connect');
  };

  /** Names that nobody wants any more are dropped after a while alone. */
  const schedule = (after = GATHER_MS) => {
    setTimeout(() => plan(after > GATHER_MS), after);
  };

  // --- What streams bring.

  const open = ({ _names, _last }: Link, signal: AbortSignal, reason?: TokenReason) =>
    send(
      _names, `${isOfEvents ? 'format=json&' : ''}heartbeat=${heartbeat}s&${after(_last)}`, 'text/event-stream', signal, reason,
    );

  /** To those on this stream, or that wait for it. */
  const report = (link: Link, state: State, problem?: Problem) => {
    for (const sub of subs) if (sub._link ? sub._link === link : state !== 'open') sub._postState(state, problem);
  };
  const onConnecting = (link: Link) => report(link, 'connecting');

  const onBlock = (link: Link, name: string, value: any, id: string) => {
    const isData = !name || name === 'deleted';
    for (const sub of subs) {
      if (sub._link !== link) continue;
      if (name === 'gap' && isOfEvents) {
        sub._lastRead = '';
        if (sub._held) sub._lose();
        else sub._post(ToTab.Gap, value, id);
      } else if (isData && sub._wants(value)) {
        if (sub._held) sub._hold(value);
        else sub._send(value);
      }
    }
    if (name === 'expiring' && hasToken) {
      // Each at a time of its own. Without a new one the stream is cut in the end, and the next connection asks again.
      setTimeout(() => renewToken().then(() => {
        if (link._isOpen) link._connect();
      }, () => {}), spread(value.in * 400));
    }
  };

  const onConnected = (link: Link) => {
    if (link === next) {
      if (main) leave(main);
      main = link;
      next = undefined;
    }
    report(link, 'open');
    // Documents are sent whole each time.
    if (link._isFresh ||= !isOfEvents) attachAll(link);
    // Subscriptions that are added later get the last events from a new stream.
    if (isOfEvents && link._latest![0]) link._isFresh = false;
  };

  const onFailure = (link: Link, problem: Problem) => {
    if (!isPermanent(problem)) return report(link, 'waiting', problem);
    leave(link);
    if (problem.status! < 300) {
      for (const sub of subs) sub._postState('finished');
      return close();
    }
    const refused = waiting().filter((sub) => isSubset(sub._names, link._names));
    // If they want different things, some may be refused because of others.
    if (batch > 1 && new Set(refused.map((sub) => queryOf(kind, sub._names))).size > 1) batch = 1;
    else refuse(refused.slice(0, batch), problem);
    plan();
  };

  /** They are taken out, and come back after a while. */
  const refuse = (those: Sub[], problem: Problem) => {
    for (const sub of those) {
      const retryIn = spread(REFUSED_MS);
      sub._detach();
      group._remove(sub);
      sub._postState('refused', { ...problem, retryIn });
      sub._timer = setTimeout(() => group._add(sub), retryIn);
    }
  };

  const close = () => {
    main?._close();
    next?._close();
    main = next = undefined;
    subs.clear();
    groups.delete(group);
  };

  const group: Group = {
    _key: key,
    _add(sub) {
      groups.add(group);
      subs.add(sub);
      schedule();
    },
    _remove(sub) {
      clearTimeout(sub._timer);
      subs.delete(sub);
      schedule(subs.size && SHRINK_MS);
    },
    _hasRoom(names) {
      return unionOf([...subs, { _names: names }]).size <= MAX_NAMES;
    },
    _schedule: schedule,
    _wake(level) {
      main?._wake(level, heartbeat * 2000);
      next?._wake(level, heartbeat * 2000);
    },
    _close: close,
  };
  return group;
}
