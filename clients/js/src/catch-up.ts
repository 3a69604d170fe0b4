import type { Link, Sub } from './model.js';
import { after, backoff, ToTab } from './protocol.js';
import { isPermanent, type Send } from './request.js';
import { compareIds } from './sub.js';
import type { Problem, SseEvent } from './types.js';

/** A page after one that failed has a quarter of the events and twice the time, and one after one that came the reverse. */
const PAGE_EVENTS = 100;
const PAGE_MS = 30_000;
/** Of the first page as well, as a tab may have room for few events. */
const FIRST_FAILURES = 2;
const MAX_FAILURES = 6;
/** Another node may be behind the one of the stream. */
const BEHIND_MS = 250;
const MAX_BEHIND = 20;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Reads history for subscriptions that begin at one position, while what the stream brings is held for each. History's
 * head is at or after the beginning of what is held, as the page is requested later. So nothing is missing between
 * the two, and what is in both is recognised by its id (`Sub._send`).
 */
export async function catchUp(
  link: Link, start: string, subs: Sub[], send: Send, refuse: (subs: Sub[], problem: Problem) => void,
): Promise<void> {
  let from = link._last;
  let behind = 0;
  let failures = FIRST_FAILURES;
  /** Those that have not left, been moved to another stream or come to its head. */
  const present = () => (subs = subs.filter((sub) => sub._link === link && sub._held));

  const finish = (sub: Sub) => {
    const held = sub._held!;
    if (sub._hasLost) {
      sub._lose();
      sub._hasLost = false;
      from = link._last;
      return;
    }
    sub._held = undefined;
    let at = start;
    for (const event of held) {
      if (!sub._send(event, at)) return;
      at = after(event.id);
    }
  };

  while (present().length) {
    try {
      const names = subs.flatMap((sub) => [...sub._names]);
      const end = AbortSignal.timeout(PAGE_MS << failures);
      const limit = PAGE_EVENTS >> (2 * failures) || 1;
      const page = await (await send(names, `limit=${limit}&${start}`, 'application/json', end)).json();
      if (failures) failures--;
      if (page.gap) {
        for (const sub of present()) {
          sub._lastRead = '';
          sub._post(ToTab.Gap, page.gap);
        }
      }
      for (const event of page.events as SseEvent[]) {
        for (const sub of present()) if (sub._wants(event) && sub._send(event, start)) sub._lastRead = event.id;
        start = after(event.id);
      }
      start = after(page.position);
      for (const sub of present()) sub._start = start;
      if (page.more) continue;
      const order = compareIds(page.head, from);
      if ((order < 0 || (isNaN(order) && !behind)) && behind++ < MAX_BEHIND) await pause(BEHIND_MS);
      else present().forEach(finish);
    } catch (error) {
      if (isPermanent(error as Problem)) return refuse(present(), error as Problem);
      await pause(backoff(250, failures));
      if (failures < MAX_FAILURES) failures++;
    }
  }
}
