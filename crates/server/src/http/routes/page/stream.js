import { $, element, inWords, keep, kept, names, plural, problemInWords, setText } from './dom.js';
import { clock } from './format.js';
import { addEvent, addGap, addNote, beginAt, beginning, clear, scheduleRender } from './live.js';
import { request, openSource } from './session.js';

const dropSeconds = 3;
/** How often the server is asked to send an event while nothing else comes, and when its silence means that the connection is dead. */
const heartbeatSeconds = 5;
const silenceSeconds = 12;
/** How long the browser may take to reconnect: it waits first for as long as the server's last `retry` demands. */
const reconnectSeconds = 60;
const reopenSeconds = { first: 1, most: 30 };

let source = null;
let topics = [];
let start = {};
let position = null;
let resumedAfter = null;
let replay = null;
let timer;
let watchdog;
let wait = reopenSeconds.first;
let onOpen = () => {};

export function onceOpen(callback) {
  onOpen = callback;
}

/** The topics and the start that the form selects. */
export function selection() {
  const topics = names($('topics').value);
  const { value } = $('connect-form').elements.start;
  return {
    topics: topics.length > 0 ? topics : ['default'],
    start: value === 'new' ? {} : { [value]: $(`start-${value}`).value.trim() },
  };
}

/** Fills the form from the address of the page, which has the parameters of a stream. */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  const named = query.getAll('topic').filter(Boolean);
  if (named.length > 0) $('topics').value = inWords(named);
  const begin = ['since', 'last'].find(name => query.get(name));
  if (begin) {
    $('connect-form').elements.start.value = begin;
    $(`start-${begin}`).value = query.get(begin);
  }
}

/** The first stream of the page: after a reload it fills the list as it was. */
export function begin() {
  ({ topics, start } = selection());
  const before = kept('list');
  if (before?.of === address() && before.after) {
    clear(before.after);
    return resume(before.after);
  }
  openStream(start);
}

export function connect() {
  ({ topics, start } = selection());
  position = resumedAfter = null;
  // With events of the past, what the list shows would come a second time.
  clear(null);
  history.replaceState(null, '', (address() || location.pathname) + location.hash);
  openStream(start);
}

function address() {
  const isDefault = topics.length === 1 && topics[0] === '*' && Object.keys(start).length === 0;
  return isDefault ? '' : `?${new URLSearchParams(parameters())}`;
}

const parameters = () => [...topics.map(topic => ['topic', topic]), ...Object.entries(start)];

export function keepList() {
  if (beginning()) keep('list', { of: address(), after: beginning() });
}

export function clearList() {
  clear(position);
}

function resume(after = position) {
  resumedAfter = after;
  openStream(after ? { last_event_id: after } : start);
}

export function dropOrResume() {
  if (!isOpen()) return resume();
  closeStream();
  // Resumed at once there would be nothing to replay, and nothing to see.
  timer = setTimeout(resume, dropSeconds * 1000);
  showState('dropped', 'Dropped', `Resumes in ${dropSeconds} seconds. What is published meanwhile will be replayed from history.`);
}

export function disconnect() {
  closeStream();
  showState('closed', 'Disconnected');
  $('connect').focus();
}

function closeStream() {
  clearTimeout(timer);
  clearTimeout(watchdog);
  source?.close();
  replay = null;
}

function isOpen() {
  return source.readyState !== EventSource.CLOSED;
}

/** Opens the stream anew after signing in, with the key that was entered. */
export function reopenAs() {
  if (isOpen() || $('connection').dataset.state === 'stopped') resume();
}

/** Listens to one topic, as if the form had been filled with it. */
export function listenTo(topic) {
  $('topics').value = inWords([topic]);
  $('connect-form').elements.start.value = 'new';
  connect();
}

function openStream(from) {
  closeStream();
  const query = new URLSearchParams([
    ['format', 'json'], ['heartbeat', `${heartbeatSeconds}s`], ...topics.map(topic => ['topic', topic]), ...Object.entries(from),
  ]);
  source = openSource(`events?${query}`);
  const handlers = { connected: onConnected, gap: onGap, position: onPosition, heartbeat: () => {}, message: onEvent };
  for (const [name, handler] of Object.entries(handlers)) {
    source.addEventListener(name, event => {
      handler(event);
      watch();
    });
  }
  source.addEventListener('error', onError);
  watch();
  showState('connecting', 'Connecting', `Asking for ${topicsInWords()}.`);
}

// A network that drops packets ends no connection, so the browser would wait without end.
function watch(seconds = silenceSeconds) {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => {
    resume();
    showState('lost', 'Reconnecting', `Nothing has come for ${seconds} seconds, not even a heartbeat: the connection is dead. A new one asks for what was missed.`);
  }, seconds * 1000);
}

function onConnected(event) {
  const now = new Date();
  wait = reopenSeconds.first;
  replay = { before: now, after: resumedAfter, count: 0, note: element('span', '') };
  addNote(replay.note);
  showState('open', `Connected since ${clock.format(now)}`);
  // Before the first event: a list that began with events of the past begins with the first of them.
  if (Object.keys(start).length === 0) beginAt(event.lastEventId);
  onPosition(event);
  onOpen();
}

function onGap(event) {
  addGap(JSON.parse(event.data));
  onPosition(event);
}

function onPosition(event) {
  position = event.lastEventId || position;
  scheduleRender();
}

function onEvent(event) {
  const received = JSON.parse(event.data);
  if (replay && Date.parse(received.time) < replay.before) replay.count += 1;
  addEvent(received);
  // The list renders at its own pace, and the position with it.
  position = event.lastEventId || position;
}

function onError() {
  replay = null;
  resumedAfter = position;
  if (isOpen()) {
    watch(reconnectSeconds);
    return showState('lost', 'Reconnecting', 'There is no connection at the moment. The browser tries again, and asks for what it missed.');
  }
  clearTimeout(watchdog);
  showState('lost', 'Reconnecting', 'The browser gave up. This page tries again, and asks for what it missed.');
  reopen(source);
}

// An EventSource keeps to itself what the response was. A rejected request would be rejected again; anything else passes.
async function reopen(stopped) {
  const response = await request(stopped.url, { headers: { Accept: 'text/event-stream' } });
  if (stopped !== source || $('connection').dataset.state !== 'lost') return response?.body?.cancel();
  if (response?.status >= 400 && response.status < 500) {
    showState('stopped', 'Stopped', 'The server rejected the request, so the page does not try again.');
    $('state-detail').append(element('span', 'reason', ...await problemInWords(response)));
    return;
  }
  response?.body?.cancel();
  timer = setTimeout(resume, response?.ok ? 0 : wait * 1000 * (0.5 + Math.random()));
  wait = Math.min(2 * wait, reopenSeconds.most);
}

function showState(name, text, detail = '') {
  $('connection').dataset.state = name;
  $('state').textContent = text;
  $('state-detail').textContent = detail;
  $('connect').textContent = isOpen() ? 'Reconnect' : 'Connect';
  $('disconnect').disabled = !isOpen() && !['dropped', 'lost'].includes(name);
  scheduleRender();
}

export function showStream() {
  if (replay) showReplay();
  setText($('position'), position ?? 'none yet');
  $('resume').disabled = !position;
  setText($('resume'), isOpen() ? 'Drop and resume' : 'Resume');
}

function showReplay() {
  const count = plural(replay.count, 'event');
  const listening = `Listening to ${topicsInWords()}${Object.keys(start).length ? `: ${count} from history` : ''}.`;
  const words = replay.after ? `Resumed: ${count} replayed after ${replay.after}.` : listening;
  // Set again, unchanged text would be read aloud again.
  if (replay.note.textContent !== words) replay.note.textContent = $('state-detail').textContent = words;
}

function topicsInWords() {
  return topics.includes('*') ? 'all topics' : inWords(topics);
}
