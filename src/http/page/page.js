const maxRows = 500;
const dropSeconds = 3;
const foldedFrom = { lines: 24, characters: 1000 };
const maxPretty = { characters: 100_000, indent: 20 };

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const fineClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
const calendar = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });

const $ = id => document.getElementById(id);
const code = text => element('code', '', text);
const plural = (count, noun) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

// The stream

let source = null;
let topics = [];
let start = {};
let position = null;
let resumedAfter = null;
let replay = null;
let resumeTimer;

function connect() {
  topics = $('topics').value.split(/[\s,]+/).filter(Boolean);
  if (topics.length === 0) topics = ['default'];
  const { value } = $('connect-form').elements.start;
  start = value === 'new' ? {} : { [value]: $(`start-${value}`).value.trim() };
  position = resumedAfter = null;
  openStream(start);
}

function resume() {
  resumedAfter = position;
  openStream({ last_event_id: position });
}

function dropAndResume() {
  closeStream();
  // Resumed at once there would be nothing to replay, and nothing to see.
  resumeTimer = setTimeout(resume, dropSeconds * 1000);
  showState('dropped', 'Dropped', `Resumes in ${dropSeconds} seconds. What is published meanwhile will be replayed from history.`);
}

function disconnect() {
  closeStream();
  showState('closed', 'Disconnected');
  $('connect').focus();
}

function closeStream() {
  clearTimeout(resumeTimer);
  source?.close();
  replay = null;
}

function isOpen() {
  return source.readyState !== EventSource.CLOSED;
}

function openStream(from) {
  closeStream();
  const query = new URLSearchParams([['format', 'json'], ...topics.map(topic => ['topic', topic]), ...Object.entries(from)]);
  source = new EventSource(`events?${query}`);
  const handlers = { connected: onConnected, gap: onGap, position: onPosition, message: onEvent, error: onError };
  for (const [name, handler] of Object.entries(handlers)) source.addEventListener(name, handler);
  showState('connecting', 'Connecting', `Asking for ${topicsInWords()}.`);
}

function onConnected(event) {
  const now = new Date();
  replay = { before: now, after: resumedAfter, count: 0, note: element('span', '') };
  enqueue(element('li', 'note', element('time', '', clock.format(now)), replay.note));
  showState('open', `Connected since ${clock.format(now)}`);
  onPosition(event);
}

function onGap(event) {
  enqueue(gapRow(JSON.parse(event.data)));
  onPosition(event);
}

function onPosition(event) {
  position = event.lastEventId;
  scheduleRender();
}

function onEvent(event) {
  const received = JSON.parse(event.data);
  if (replay && Date.parse(received.time) < replay.before) replay.count += 1;
  counted += 1;
  enqueue(received);
  onPosition(event);
}

function onError() {
  replay = null;
  if (isOpen()) {
    resumedAfter = position;
    showState('lost', 'Reconnecting', 'No connection at the moment. The browser tries again by itself, and asks for what it missed.');
  } else {
    showState('stopped', 'Stopped', `The answer was no stream of events, so the browser gave up: it will not try again by itself. Connect starts anew${position ? ', Resume goes on after the position' : ''}.`);
    explainStop(source);
  }
}

// An EventSource keeps to itself what the server answered.
async function explainStop(stopped) {
  const response = await fetch(stopped.url, { signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (!response || response.ok) return response?.body?.cancel();
  const words = await problemInWords(response);
  if (stopped === source && $('connection').dataset.state === 'stopped') $('state-detail').append(element('span', 'reason', ...words));
}

function showState(name, text, detail = '') {
  $('connection').dataset.state = name;
  $('state').textContent = text;
  $('state-detail').textContent = detail;
  $('connect').textContent = isOpen() ? 'Reconnect' : 'Connect';
  $('disconnect').disabled = !isOpen() && name !== 'dropped';
  scheduleRender();
}

function showReplay() {
  const count = plural(replay.count, 'event');
  const listening = `Listening to ${topicsInWords()}${Object.keys(start).length ? `: ${count} from history` : ''}.`;
  const words = replay.after ? `Resumed after ${replay.after}: ${count} replayed.` : listening;
  // Set again, unchanged text would be read aloud again.
  if (replay.note.textContent !== words) replay.note.textContent = $('state-detail').textContent = words;
}

function topicsInWords() {
  return topics.includes('*') ? 'all topics' : topics.join(', ');
}

function showStartFields() {
  const { value } = $('connect-form').elements.start;
  for (const name of ['last', 'since']) {
    $(`start-${name}`).hidden = $(`start-${name}`).disabled = name !== value;
  }
  $('since-hint').hidden = value !== 'since';
}

// The list

let queue = [];
let counted = 0;
let dropped = 0;
let paused = false;
let frame = 0;

function enqueue(item) {
  queue.push(item);
  // A hidden tab gets no frames, and a paused list may wait for long.
  if (queue.length > maxRows) {
    queue.shift();
    dropped += 1;
  }
  scheduleRender();
}

function scheduleRender() {
  frame ||= requestAnimationFrame(render);
}

function render() {
  frame = 0;
  if (replay) showReplay();
  if (!paused) showQueue();
  $('position').textContent = position ?? 'none yet';
  $('resume').disabled = !position;
  $('resume').textContent = isOpen() ? 'Drop and resume' : 'Resume';
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
  for (; list.childElementCount > maxRows; dropped += 1) list.lastElementChild.remove();
}

function eventRow({ id, own_id: ownId, topics, event, data, time }) {
  const head = element('p', 'head');
  if (event) head.append(element('strong', '', event));
  head.append(...topics.map(topic => element('span', 'topic', topic)));
  if (ownId) head.append(element('span', 'own-id', `own id ${ownId}`));
  return element('li', 'event', element('p', 'meta', timeNode(time), code(id)), head, dataNode(data));
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
function pretty(text) {
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

function togglePause() {
  paused = !paused;
  $('pause').textContent = paused ? 'Continue' : 'Pause';
  scheduleRender();
}

function clear() {
  queue = [];
  counted = dropped = 0;
  $('events').replaceChildren();
  scheduleRender();
}

// Publishing

async function publish() {
  const key = $('publish-key');
  key.removeAttribute('aria-invalid');
  say('busy', 'Publishing…');
  try {
    const headers = { 'Content-Type': 'application/json', ...(key.value && { Authorization: `Bearer ${key.value}` }) };
    const response = await fetch('events', { method: 'POST', headers, body: JSON.stringify(draft()) });
    if (response.ok) return say('done', 'Published as ', code((await response.json()).id));
    say('failed', ...await problemInWords(response));
    if (response.status === 401) {
      key.setAttribute('aria-invalid', 'true');
      key.focus();
    }
  } catch {
    say('failed', element('strong', '', 'No answer.'), ' The server was not reached, or was cut off: the event may have been published or not.');
  }
}

function draft() {
  const given = id => $(id).value.trim() || undefined;
  return { topic: given('publish-topic'), event: given('publish-event'), data: $('publish-data').value };
}

async function problemInWords(response) {
  const problem = await response.json().catch(() => ({}));
  const words = [element('strong', '', `${problem.title ?? 'The server answered with an error'} (${response.status}).`)];
  if (problem.detail) words.push(` ${problem.detail}`);
  if (problem.code) words.push(' Code: ', code(problem.code));
  return words;
}

function say(kind, ...words) {
  $('publish-output').dataset.kind = kind;
  $('publish-output').replaceChildren(...words);
}

// The terminal

function showCommands() {
  const folder = location.pathname.replace(/[^/]*$/, '').replaceAll("'", '%27');
  const base = location.origin + folder;
  $('curl-subscribe').append(`curl -N '${base}`, element('wbr', ''), "events?topic=default'");
  $('curl-publish').append(`curl -d hello '${base}`, element('wbr', ''), "events'");
  $('terminal').open = matchMedia('(min-width: 56rem)').matches;
}

async function copy(button) {
  const command = $(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = 'Copied';
  } catch {
    // Over plain HTTP there is no clipboard: leave the line ready for the keyboard.
    getSelection().selectAllChildren(command);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}

for (const form of document.forms) form.addEventListener('submit', event => event.preventDefault());
$('connect-form').addEventListener('submit', connect);
$('start-choice').addEventListener('change', showStartFields);
$('disconnect').addEventListener('click', disconnect);
$('resume').addEventListener('click', () => isOpen() ? dropAndResume() : resume());
$('publish-form').addEventListener('submit', publish);
$('publish-form').addEventListener('keydown', event => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  $('publish-form').requestSubmit();
});
$('pause').addEventListener('click', togglePause);
$('clear').addEventListener('click', clear);
$('terminal').addEventListener('click', ({ target }) => target.dataset.copies && copy(target));

showStartFields();
showCommands();
connect();
