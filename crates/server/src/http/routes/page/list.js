import { $, code, element, plural } from './dom.js';

const maxRows = 500;
const foldedFrom = { lines: 24, characters: 1000 };
const maxPretty = { characters: 100_000, indent: 20 };

export const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const fineClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
const calendar = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });

let queue = [];
let counted = 0;
let dropped = 0;
let paused = false;
let frame = 0;
let beforeFrame = () => {};
/** The id after which the rows of the list begin. */
let base = null;

export function onFrame(callback) {
  beforeFrame = callback;
}

export function addEvent(event) {
  counted += 1;
  enqueue(event);
}

export function addNote(...children) {
  enqueue(element('li', 'note', element('time', '', clock.format(new Date())), ...children));
}

export function addGap(gap) {
  enqueue(gapRow(gap));
}

/** Where a stream has to begin again for the list to be as it is. */
export function beginning() {
  return base;
}

export function beginAt(id) {
  base ??= id;
}

function enqueue(item) {
  queue.push(item);
  // A hidden tab gets no frames, and a paused list may wait for long.
  if (queue.length > maxRows) drop(queue.shift().id);
  scheduleRender();
}

function drop(id) {
  dropped += 1;
  base = id || base;
}

export function scheduleRender() {
  frame ||= requestAnimationFrame(render);
}

function render() {
  frame = 0;
  beforeFrame();
  if (!paused) showQueue();
  $('count').textContent = `${counted.toLocaleString('en')} received${paused ? `, ${queue.length} waiting` : ''}`;
  $('empty').hidden = counted > 0;
  $('dropped').hidden = dropped === 0;
  $('dropped').textContent = `${plural(dropped, 'older row')} dropped: this page keeps the newest ${maxRows}.`;
}

function showQueue() {
  const list = $('events');
  const rows = queue.map(item => item instanceof Node ? item : eventRow(item)).reverse();
  queue = [];
  if (rows.length < 4) rows.forEach(row => row.classList.add('fresh'));
  list.prepend(...rows);
  while (list.childElementCount > maxRows) {
    drop(list.lastElementChild.dataset.id);
    list.lastElementChild.remove();
  }
}

function eventRow({ id, own_id: ownId, topics, event, data, time }) {
  const head = element('p', 'head');
  if (event) head.append(element('strong', '', event));
  head.append(...topics.map(topic => element('span', 'topic', topic)));
  if (ownId) head.append(element('span', 'own-id', `own id ${ownId}`));
  const row = element('li', 'event', element('p', 'meta', timeNode(time), code(id)), head, dataNode(data));
  row.dataset.id = id;
  return row;
}

function gapRow({ requested, oldest }) {
  const goesOn = oldest ? ['It goes on at ', code(oldest), '.'] : ['It is empty, and goes on with the next event.'];
  const words = element('p', '', 'History no longer holds what followed ', code(requested), '. ', ...goesOn);
  words.role = 'alert';
  return element('li', 'gap', element('strong', '', 'Gap'), words);
}

function timeNode(text) {
  const date = new Date(text);
  const node = element('time', '', fineClock.format(date));
  node.dateTime = node.title = text;
  if (date.toDateString() !== new Date().toDateString()) node.prepend(`${calendar.format(date)}, `);
  return node;
}

function dataNode(data) {
  if (data === '') return element('p', 'no-data', 'No data');
  const text = pretty(data);
  const block = element('pre', '', text);
  if (text.length < foldedFrom.characters && text.split('\n').length < foldedFrom.lines) return block;
  const preview = element('span', 'preview', data.slice(0, 300));
  return element('details', 'long', element('summary', '', preview, element('span', 'size', plural(data.length, 'character'))), block);
}

// By hand, since JSON.stringify would give large numbers back rounded.
export function pretty(text) {
  if (text.length > maxPretty.characters || !/^\s*[{[]/.test(text)) return text;
  try { JSON.parse(text); } catch { return text; }
  let depth = 0;
  const line = () => '\n' + '  '.repeat(Math.min(depth, maxPretty.indent));
  return text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/g, token => {
    switch (token) {
      case '{': case '[': depth += 1; return token + line();
      case '}': case ']': depth -= 1; return line() + token;
      case ',': return token + line();
      case ':': return ': ';
      default: return token[0] === '"' ? token : token.replace(/\s+/, '');
    }
  });
}

export function togglePause() {
  paused = !paused;
  $('pause').textContent = paused ? 'Continue' : 'Pause';
  scheduleRender();
}

export function clear(position) {
  queue = [];
  counted = dropped = 0;
  base = position;
  $('events').replaceChildren();
  scheduleRender();
}
