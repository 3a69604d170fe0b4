import type { Group, Port, Sub } from './model.js';
import { after, type Message, ToTab } from './protocol.js';

/** Most characters that a tab may have left unread. Then it is sent nothing until it has read half of them. */
const MAX_UNREAD_CHARS = 4 * 2 ** 20;
/** What each message counts beside its data. */
const MESSAGE_CHARS = 256;
/** Most that is held for a subscription while history is read. Beyond it history is read further. */
const MAX_HELD_CHARS = 4 * 2 ** 20;

/**
 * Negative if `a` is before `b` in history, 0 if they are equal. `NaN` if that cannot be told, since one is encrypted or
 * none of the server's.
 */
export function compareIds(a: string, b: string): number {
  const [aTime, aSequence] = a.split('-') as any[];
  const [bTime, bSequence] = b.split('-') as any[];
  return a === b ? 0 : aTime === bTime ? aSequence - bSequence : aTime - bTime;
}

/** Whether a tab that was sent nothing more for a while has read enough. */
export const isReady = ({ _unread }: Port): boolean => _unread < MAX_UNREAD_CHARS / 2;

const sizeOf = (value: any): number => MESSAGE_CHARS + (value.data ?? JSON.stringify(value)).length;

export function createSub(port: Port, number: number, group: Group, names: ReadonlySet<string>, start: string): Sub {
  let heldChars = 0;
  const post = (kind: ToTab, ...rest: Message) => port._post([kind, number, ...rest]);
  const sub: Sub = {
    _port: port,
    _group: group,
    _names: names,
    _start: start,
    _lastRead: '',
    _wants: ({ topics, name }) =>
      topics?.some((topic: string) => names.has(topic) || (names.has('*') && topic[0] !== '$')) ?? names.has(name),
    _post: post,
    _postState: (state, problem) => post(ToTab.State, state, sub._position(), problem),
    _send(value, start) {
      if (compareIds(`${value.id}`, sub._lastRead) <= 0) return true;
      if (port._unread > MAX_UNREAD_CHARS) return sub._detach(start), false;
      const size = sizeOf(value);
      port._unread += size;
      post(ToTab.Data, value, value.id, size);
      return true;
    },
    _hold(event) {
      sub._held!.push(event);
      if ((heldChars += sizeOf(event)) > MAX_HELD_CHARS) sub._lose();
    },
    _lose() {
      sub._hasLost = !!sub._held;
      sub._held = [];
      heldChars = 0;
    },
    _detach(start = after(sub._position()) || sub._start) {
      sub._link = sub._held = undefined;
      sub._start = start;
    },
    _position() {
      const last = (!sub._held && sub._link?._last) || '';
      return sub._lastRead && !(compareIds(last, sub._lastRead) >= 0) ? '' : last;
    },
  };
  return sub;
}
