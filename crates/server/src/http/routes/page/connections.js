// The connections of this node: who, since when, how far behind; and how to end one.
import { $, button, code, element, problemInWords, setText } from './dom.js';
import { count, dateAndTime, lasting, visible } from './format.js';
import { Poller } from './poller.js';
import { jsonOf, request } from './session.js';
import { Table } from './table.js';
import { addView, goTo } from './tabs.js';

const pageSize = 100;
const pollSeconds = 2;
const typingMilliseconds = 250;
const shownTopics = 3;
const filters = ['topic', 'user', 'address'];
const orders = {
  address: (a, b) => addressOf(a).localeCompare(addressOf(b), 'en', { numeric: true }),
  since: (a, b) => Date.parse(a.since) - Date.parse(b.since),
  behind: (a, b) => b.behind - a.behind,
};

/** There is none over a Unix socket. @param {{ address: string|null }} connection */
export const addressOf = ({ address }) => address ?? 'a local socket';

let table = null;
let order = 'since';
/** The last id of each page before this one. */
let before = [];
let last = '';
let typing = 0;
/** The connection that the dialog asks about. */
let chosen = null;
const poller = new Poller(load, pollSeconds);

/** @param {Record<string, string>} filter @param {AbortSignal} [signal] */
export function requestConnections(filter, signal) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  return request(`admin/connections?${query}`, { signal });
}

async function load(signal) {
  const filter = Object.fromEntries(filters.map(name => [name, $(`connections-${name}`).value.trim()]));
  const response = await requestConnections({ ...filter, limit: pageSize, after: before.at(-1) }, signal);
  const list = await jsonOf(response);
  if (signal.aborted) return;
  $('connections-problem').hidden = Boolean(list);
  if (!list) return $('connections-problem').replaceChildren(...await problemInWords(response));
  show(list, Object.values(filter).some(Boolean));
}

function show({ connections, more, node }, isFiltered) {
  last = connections.at(-1)?.id ?? '';
  table.update(connections.toSorted(orders[order]));
  table.showSort(order, order === 'behind' ? 'descending' : 'ascending');
  const first = before.length * pageSize;
  $('connections-empty').hidden = connections.length > 0;
  setText($('connections-empty'), isFiltered ? 'No connection matches.' : 'Nobody is connected to this node.');
  $('connections-previous').disabled = first === 0;
  $('connections-next').disabled = !more;
  setText($('connections-range'), connections.length > 0 ? `${count(first + 1)}–${count(first + connections.length)}${more ? ', and more' : ''}` : '0');
  setText($('connections-node'), node ?? '');
}

function restart() {
  before = [];
  poller.now();
}

/** Few topics in full, and how many there are besides. */
export function topicsOf({ topics, topics_total: total }) {
  const shown = topics.slice(0, shownTopics).join(', ');
  return total > shownTopics ? `${shown} and ${count(total - shownTopics)} more` : shown;
}

const columns = [
  { label: 'Address', sort: 'address', className: 'name', text: addressOf },
  { label: 'User', className: 'user', text: ({ user }) => user ?? '–', update: (cell, { user }) => { cell.title = visible(user ?? ''); } },
  {
    label: 'Topics', className: 'topics', text: topicsOf,
    update: (cell, { topics }) => { cell.title = visible(topics.join(', ')); },
  },
  { label: 'Transport', text: ({ transport, http }) => `${transport}, HTTP/${http}` },
  {
    label: 'Connected', sort: 'since', className: 'number', text: ({ since }) => lasting(since),
    update: (cell, { since }) => { cell.title = dateAndTime(since); },
  },
  {
    label: 'Behind', sort: 'behind', className: 'number', text: ({ behind }) => count(behind),
    update: (cell, { behind }) => cell.classList.toggle('warn', behind > 0),
  },
  { label: 'Sent up to', className: 'id', text: row => row.sent_id ?? 'nothing yet' },
  { label: 'Client', className: 'client', text: row => row.user_agent ?? '–', update: (cell, row) => { cell.title = visible(row.user_agent ?? ''); } },
  {
    label: 'Actions', className: 'actions',
    build: connection => element('span', 'buttons', explainButton(connection), disconnectButton(connection)),
  },
];

function explainButton(connection) {
  const trigger = button('Explain', () => goTo('explain', { connection: connection.id }), 'small');
  trigger.setAttribute('aria-label', `Explain why ${addressOf(connection)} did not get an event`);
  return trigger;
}

function disconnectButton(connection) {
  const trigger = button('Disconnect', () => confirm(connection), 'small');
  trigger.setAttribute('aria-label', `Disconnect ${addressOf(connection)}`);
  return trigger;
}

function confirm(connection) {
  chosen = connection;
  const who = connection.user ? [element('strong', '', visible(connection.user)), ' at ', code(addressOf(connection))] : [code(addressOf(connection))];
  $('disconnect-who').replaceChildren(...who, `, connected for ${lasting(connection.since)}, subscribed to ${visible(topicsOf(connection))}.`);
  $('disconnect-output').replaceChildren();
  $('disconnect-dialog').showModal();
}

async function disconnect() {
  const response = await request(`admin/connections/${encodeURIComponent(chosen.id)}`, { method: 'DELETE' });
  // One that has gone by itself is what was wanted, too.
  if (!response?.ok && response?.status !== 404) return $('disconnect-output').replaceChildren(...await problemInWords(response));
  $('disconnect-dialog').close();
  setText($('connections-output'), `${addressOf(chosen)} ${response.ok ? 'was disconnected. It may come back' : 'had gone already'}.`);
  poller.now();
}

function page(direction) {
  if (direction > 0) before.push(last);
  else before.pop();
  $('connections-scroll').scrollTop = 0;
  poller.now();
}

export function addConnections() {
  table = new Table($('connections-table'), columns, {
    keyOf: ({ id }) => id,
    onSort: name => {
      order = name;
      poller.now();
    },
  });
  for (const name of filters) {
    $(`connections-${name}`).addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(restart, typingMilliseconds);
    });
  }
  $('connections-previous').addEventListener('click', () => page(-1));
  $('connections-next').addEventListener('click', () => page(1));
  $('disconnect-confirm').addEventListener('click', disconnect);
  $('disconnect-cancel').addEventListener('click', () => $('disconnect-dialog').close());
  addView('connections', {
    show: parameters => {
      before = [];
      for (const name of filters) {
        if (parameters.has(name)) $(`connections-${name}`).value = parameters.get(name);
      }
      poller.now();
    },
    hide: () => poller.stop(),
  });
}
