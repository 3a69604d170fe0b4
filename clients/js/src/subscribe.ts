import { after } from './protocol.js';
import { open } from './tab.js';
import type { Subscription, SubscribeOptions } from './types.js';

/** Calls `onEvent` with each event of the topics, exactly once and in order, until it is closed. */
export function subscribe(options: SubscribeOptions): Subscription {
  const { topics, onEvent, onGap, lastEventId, since, last, resume } = options;
  const names = [topics].flat() as string[];
  const start = after(lastEventId!)
    || (since != null ? `since=${encodeURIComponent(since)}` : last != null ? `last=${last}` : '');
  return open(
    'topic', 'events', names, start, resume ?? !start, options,
    // Without the size that comes with it.
    (event) => onEvent(event), onGap,
  );
}
