// The rows of a list of events.
import { code, element } from './dom.js';
import { clock, fineTime, visible } from './format.js';
import { isJson } from './json.js';

const maxPreview = 500;

/** The id of the event whose details are open. */
let shown = null;

/** @param {string|null} id */
export function markShown(id) {
  shown = id;
  for (const row of document.querySelectorAll('.list .row[aria-current]')) row.removeAttribute('aria-current');
}

/** @param {import('./event-store.js').Item} item */
export function buildRow(item) {
  if (item.kind === 'event') return eventRow(item.event);
  return element('li', item.kind, ...item.node);
}

function eventRow({ id, own_id: ownId, topics, event, data, time, private: isPrivate }) {
  const head = element('span', 'head');
  if (event) head.append(element('strong', '', visible(event)));
  head.append(...topics.map(topic => element('span', 'topic', visible(topic))));
  if (isPrivate) head.append(element('span', 'badge', 'private'));
  const lines = data.length > maxPreview || isJson(data) ? 1 : data.split('\n').length;
  if (lines > 1) head.append(element('span', 'badge', `${lines} lines`));
  if (ownId) head.append(element('span', 'idempotency-key', `key ${visible(ownId)}`));
  const when = element('time', '', fineTime(time));
  when.dateTime = time;
  const row = element('button', 'row', when, head, code(id), preview(data));
  row.type = 'button';
  if (id === shown) row.setAttribute('aria-current', 'true');
  return element('li', 'event', row);
}

/** One line: text to its end of line, JSON without its line ends. */
function preview(data) {
  if (data === '') return element('span', 'data empty', 'No data');
  let start = data.slice(0, maxPreview);
  if (/^\s*[{[]/.test(start)) start = start.replace(/\s*\n\s*/g, ' ');
  return element('span', 'data', start);
}

/** @param {...(Node|string)} words */
export function note(...words) {
  return { kind: 'note', size: 0, node: [element('time', '', clock.format(new Date())), element('span', '', ...words)] };
}

/** @param {{ requested: string, oldest: string|null }} gap */
export function gap({ requested, oldest }) {
  const goesOn = oldest ? ['It goes on at ', code(oldest), '.'] : ['It is empty, and goes on with the next event.'];
  return { kind: 'gap', size: 0, node: [
    element('strong', '', 'Gap'), element('p', '', 'History no longer holds what followed ', code(requested), '. ', ...goesOn),
  ] };
}

/** @param {import('./filter.js').PublishedEvent} event */
export function item(event) {
  return { kind: 'event', event, size: event.data.length + 200 };
}
