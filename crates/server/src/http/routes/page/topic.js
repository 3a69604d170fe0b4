// One topic: who is on it, and what to do with it.
import { $, button, code, element, problemInWords, reveal, setText } from './dom.js';
import { count, fineTime, visible } from './format.js';
import { searchTopic } from './history.js';
import { Poller } from './poller.js';
import { fillForm } from './publish.js';
import { isOperator, jsonOf, request } from './session.js';
import { listenTo } from './stream.js';
import { goTo } from './tabs.js';

const pollSeconds = 2;
const maxMembers = 100;

let topic = null;
/** What opened it, and has the focus again when it is closed. */
let returnTo = null;
let isNew = false;
const poller = new Poller(load, pollSeconds);

/** @param {string} name */
export function openTopic(name) {
  topic = name;
  isNew = true;
  $('topic').hidden = false;
  $('topic-name').textContent = visible(name);
  $('topic-actions').replaceChildren(...actions());
  $('topic-presence').replaceChildren(element('p', 'hint', 'Loading…'));
  $('topic-last').replaceChildren();
  poller.now();
  returnTo = document.activeElement;
  $('topic-name').focus();
}

export function closeTopic() {
  topic = null;
  poller.stop();
  $('topic').hidden = true;
}

function actions() {
  const name = topic;
  return [
    button('Listen', () => {
      listenTo(name);
      goTo('events');
    }),
    button('Read history', () => {
      searchTopic(name);
      goTo('history');
    }),
    button('Publish to it', () => fillForm({ topics: [name], data: '' })),
    ...(isOperator() ? [button('Connections', () => goTo('connections', { topic: name }))] : []),
  ];
}

async function load(signal) {
  const requested = topic;
  await Promise.all([loadLast(requested, signal), loadPresence(requested, signal)]);
  if (signal.aborted || requested !== topic || !isNew) return;
  isNew = false;
  reveal($('topic'));
}

async function loadLast(requested, signal) {
  const response = await request(`events?${new URLSearchParams({ topic: requested, last: 1, limit: 1 })}`, { signal });
  const page = await jsonOf(response);
  if (signal.aborted || requested !== topic || !page) return;
  const [event] = page.events;
  const last = element('span', '', ...(event ? [`${fineTime(event.time)} `, code(event.id)] : ['none in history']));
  // As it is, it keeps a selection.
  if ($('topic-last').textContent !== last.textContent) $('topic-last').replaceChildren(last);
}

async function loadPresence(requested, signal) {
  const list = isOperator() ? { list: true, limit: maxMembers } : {};
  const response = await request(`presence?${new URLSearchParams({ topic: requested, ...list })}`, { signal });
  const presence = await jsonOf(response);
  if (signal.aborted || requested !== topic) return;
  if (!presence) return showNone(response);
  if (!$('topic-users')) showCounts();
  setText($('topic-users'), count(presence.users));
  setText($('topic-connections'), count(presence.connections));
  $('topic-members').replaceChildren(...(presence.members ?? []).map(member));
  $('topic-members-more').hidden = !presence.more;
}

function showCounts() {
  const figure = (id, name) => {
    const value = element('dd', '');
    value.id = id;
    return element('div', '', element('dt', '', name), value);
  };
  const members = element('ul', 'members');
  members.id = 'topic-members';
  const more = element('p', 'hint', `The first ${maxMembers}, in order of names.`);
  more.id = 'topic-members-more';
  $('topic-presence').replaceChildren(element('dl', 'figures', figure('topic-users', 'Users'), figure('topic-connections', 'Connections')), members, more);
}

function member({ user, data }) {
  return element('li', '', element('span', '', visible(user)), ...(data === undefined ? [] : [code(visible(JSON.stringify(data)))]));
}

async function showNone(response) {
  const words = response?.status === 404
    ? ['This topic has no presence. ', code('--presence'), ' names the topics that count who is on them.']
    : await problemInWords(response);
  $('topic-presence').replaceChildren(element('p', 'hint', ...words));
}

$('topic-close').addEventListener('click', () => {
  closeTopic();
  (returnTo?.isConnected ? returnTo : $('topics-prefix')).focus();
});
