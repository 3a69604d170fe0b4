// The topics: those of the events in history, and for operators those with subscribers, too.
import { $, button, plural, problemInWords, setText } from './dom.js';
import { count, fineTime, short } from './format.js';
import { Poller } from './poller.js';
import { isOperator, jsonOf, request } from './session.js';
import { Table } from './table.js';
import { addView } from './tabs.js';
import { openTopic, closeTopic } from './topic.js';

const pageSize = 100;
const pollSeconds = 2;
const typingMilliseconds = 250;

let table = null;
let order = 'subscribers';
let offset = 0;
/** The last name of each page before this one, by which a visitor's list goes on. */
let before = [];
let typing = 0;
const poller = new Poller(load, pollSeconds);

/** Made anew when the columns change, with the rights. */
function makeTable() {
  const operator = isOperator();
  const column = (label, sort, text, className = 'number') => ({ label, className, sort: operator ? sort : undefined, text });
  $('topics-table').querySelectorAll('thead, tbody').forEach(part => part.remove());
  table = new Table($('topics-table'), [
    { label: 'Topic', className: 'name', sort: operator ? 'name' : undefined, build: ({ name }) => button(name, () => openTopic(name), 'link') },
    ...(operator ? [
      column('Subscribers', 'subscribers', ({ subscribers }) => count(subscribers)),
      column('Events per minute', 'rate', row => short(row.events_per_minute)),
    ] : []),
    { label: 'Last event', className: 'number', text: row => lastTime(row.last_id) },
  ], { keyOf: ({ name }) => name, onSort: sortBy });
  setText($('topics-which'), operator ? 'Topics with events in history or with subscribers.' : 'Topics with events in history.');
  showOrder();
}

/** An id begins with the time of its event. */
export function lastTime(id) {
  const time = Number(id?.split('-')[0]);
  return time > 0 ? fineTime(time) : 'none';
}

function sortBy(name) {
  order = name;
  restart();
}

function showOrder() {
  if (isOperator()) table.showSort(order, order === 'name' ? 'ascending' : 'descending');
}

function restart() {
  offset = 0;
  before = [];
  showOrder();
  poller.now();
}

async function load(signal) {
  const operator = isOperator();
  const prefix = $('topics-prefix').value;
  const query = new URLSearchParams({ limit: pageSize, prefix });
  if (operator) {
    query.set('sort', order);
    query.set('offset', offset);
  } else if (before.length > 0) {
    query.set('after', before.at(-1));
  }
  const response = await request(`${operator ? 'admin/topics' : 'topics'}?${query}`, { signal });
  const list = await jsonOf(response);
  if (signal.aborted) return;
  $('topics-problem').hidden = Boolean(list);
  if (!list) return $('topics-problem').replaceChildren(...await problemInWords(response));
  show(list);
}

function show({ topics, more, total, every, patterns, complete = true }) {
  const first = isOperator() ? offset : before.length * pageSize;
  table.update(topics);
  $('topics-empty').hidden = topics.length > 0 || first > 0;
  $('topics-previous').disabled = first === 0;
  $('topics-next').disabled = !more;
  const range = topics.length > 0 ? `${count(first + 1)}–${count(first + topics.length)}` : '0';
  setText($('topics-range'), total === undefined ? `${range}${more ? ', and more' : ''}` : `${range} of ${count(total)}`);
  const beside = [every > 0 && `${plural(every, 'subscriber')} to all topics`, patterns > 0 && `${plural(patterns, 'subscriber')} by pattern`].filter(Boolean);
  const uncounted = complete ? '' : ' There are more topics than are counted. Enter the beginning of a name to find the others.';
  setText($('topics-beside'), (beside.length > 0 ? `Beside these: ${beside.join(', ')}.` : '') + uncounted);
}

function page(direction) {
  if (direction > 0) before.push(table.body.lastElementChild?.querySelector('button').textContent ?? '');
  else before.pop();
  offset = Math.max(0, offset + direction * pageSize);
  $('topics-scroll').scrollTop = 0;
  poller.now();
}

/** Called when somebody has signed in. */
export function changeTopicRights() {
  order = 'subscribers';
  offset = 0;
  before = [];
  makeTable();
  if (!$('view-topics').hidden) poller.now();
}

$('topics-prefix').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(restart, typingMilliseconds);
});
$('topics-form').addEventListener('submit', () => {
  const name = $('topics-prefix').value.trim();
  if (name) openTopic(name);
});
$('topics-previous').addEventListener('click', () => page(-1));
$('topics-next').addEventListener('click', () => page(1));
makeTable();
addView('topics', {
  show: parameters => {
    poller.now();
    if (parameters.get('topic')) openTopic(parameters.get('topic'));
  },
  hide: () => {
    poller.stop();
    closeTopic();
  },
});
