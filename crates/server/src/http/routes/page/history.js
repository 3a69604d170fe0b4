// History, read once: since a time or an id, the last so many, by topic.
import { $, copyText, inWords, names, plural, problemInWords, reveal } from './dom.js';
import { curlOfHistory } from './curl.js';
import { gap, item } from './event-rows.js';
import { EventView } from './event-view.js';
import { isOperator, jsonOf, request } from './session.js';
import { addView } from './tabs.js';

const pageSize = 500;
const view = new EventView($('history-pane'), 'read');
let position = null;
let reading = null;

/** The parameters that the form selects. @returns {[string, string][]} */
function parameters() {
  const topics = names($('history-topics').value);
  const kind = $('history-form').elements['history-start'].value;
  const value = $(`history-${kind}`)?.value.trim();
  const start = { earliest: [['since', 'earliest']], since: [['since', value]], last: [['last', value]], after: [['last_event_id', value]] }[kind];
  return [...(topics.length > 0 ? topics : ['*']).map(topic => ['topic', topic]), ...start];
}

function showFields() {
  const { value } = $('history-form').elements['history-start'];
  for (const name of ['since', 'last', 'after']) $(`history-${name}`).hidden = $(`history-${name}`).disabled = name !== value;
}

function search() {
  view.clear();
  $('history-empty').textContent = '';
  position = null;
  return read(parameters());
}

function readOn() {
  const topics = parameters().filter(([name]) => name === 'topic');
  return read([...topics, ['last_event_id', position]]);
}

async function read(query) {
  reading?.abort();
  const mine = reading = new AbortController();
  $('history-more').hidden = true;
  say('busy', 'Reading…');
  const response = await request(`events?${new URLSearchParams([...query, ['limit', pageSize]])}`, { signal: mine.signal });
  const page = await jsonOf(response);
  if (mine !== reading) return;
  if (!page) return say('failed', ...await problemInWords(response));
  show(page);
}

function show({ gap: missing, events, position: read, more }) {
  if (missing) view.add(gap(missing));
  for (const event of events) view.add(item(event));
  position = read;
  $('history-more').hidden = !more;
  if (view.store.received === 0) $('history-empty').textContent = 'Nothing was found.';
  const total = plural(view.store.received, 'event');
  say('done', more ? `${total} so far; there are more.` : view.store.received > 0 ? `${total}. That is all.` : 'History has no such event.');
}

function say(kind, ...words) {
  $('history-output').dataset.kind = kind;
  $('history-output').replaceChildren(...words);
  if (kind === 'failed') reveal($('history-output'));
}

/** Shows what history has of a topic. */
export function searchTopic(topic) {
  $('history-topics').value = inWords([topic]);
  $('history-form').elements['history-start'].value = 'last';
  showFields();
  search();
}

$('history-form').addEventListener('submit', search);
$('history-form').addEventListener('change', showFields);
$('history-more').addEventListener('click', readOn);
$('history-curl').addEventListener('click', ({ target }) => copyText(curlOfHistory(parameters(), isOperator()), target));
showFields();
addView('history', { show: () => view.schedule(), hide: () => reading?.abort() });
