// Why a subscriber did not get an event: choose both, and the server responds with the reason.
import { $, code, element, problemInWords, reveal } from './dom.js';
import { addressOf, requestConnections, topicsOf } from './connections.js';
import { dateAndTime, fineTime, lasting, visible } from './format.js';
import { newestEvents } from './live.js';
import { jsonOf, request } from './session.js';
import { addView, goTo } from './tabs.js';

const maxEvents = 50;
const maxConnections = 50;
const typingMilliseconds = 250;

/** The headline and the state of each outcome. */
const outcomes = {
  sent: ['It was sent.', 'open'],
  pending: ['It is still to be sent.', 'lost'],
  no_match: ['The subscription does not select it.', 'stopped'],
  no_grant: ['The client has no grant for it.', 'stopped'],
  before_start: ['The subscription began after it.', 'stopped'],
  gap: ['It was lost in a gap.', 'stopped'],
  unknown_event: ['History does not have it.', 'lost'],
};
/** What to do about it. */
const advice = {
  sent: 'If the client did not see it, look at the client: a named event needs a listener of its own name, and a proxy in between may hold events back.',
  pending: 'The client reads more slowly than events come, or a proxy in between buffers. Watch how far behind it is.',
  no_match: 'Compare the topics of the event with those that the client asked for.',
  no_grant: 'The event is private, or its topic is protected. The token or session of the client has to grant one of its topics.',
  before_start: 'A client that has to have earlier events begins with an id, or with since.',
  gap: 'History dropped it before the client could be sent it. The client was sent an event named gap. A longer history helps.',
  unknown_event: 'The id is wrong, or the event is older than what history holds.',
};

let typing = 0;

function chooseEvents() {
  const events = newestEvents(maxEvents);
  $('explain-events').replaceChildren(...events.map(event => choice('explain-event-choice', event.id, [
    element('strong', '', visible(event.event || event.topics.join(', '))),
    element('span', 'hint', `${fineTime(event.time)} ${event.event ? visible(event.topics.join(', ')) : ''}`),
    element('span', 'data', event.data.slice(0, 120)),
  ])));
  $('explain-no-events').hidden = events.length > 0;
  mark('event');
}

async function chooseConnections() {
  const text = $('explain-filter').value.trim();
  const response = await requestConnections({ limit: maxConnections, [$('explain-by').value]: text });
  const list = await jsonOf(response);
  if (!list) return $('explain-connections').replaceChildren(element('p', 'notice', ...await problemInWords(response)));
  $('explain-connections').replaceChildren(...list.connections.map(connection => choice('explain-connection-choice', connection.id, [
    element('strong', '', visible(connection.user ?? addressOf(connection))),
    element('span', 'hint', `${connection.user ? `${addressOf(connection)}, ` : ''}${connection.transport}, for ${lasting(connection.since)}`),
    element('span', 'data', topicsOf(connection)),
  ])));
  $('explain-no-connections').hidden = list.connections.length > 0;
  mark('connection');
}

function choice(name, value, parts) {
  const input = element('input', '');
  Object.assign(input, { type: 'radio', name, value });
  return element('label', 'option', input, ...parts);
}

/** Shows which of the list is the one in the field. */
function mark(kind) {
  for (const input of document.querySelectorAll(`[name="explain-${kind}-choice"]`)) input.checked = input.value === $(`explain-${kind}`).value;
}

async function explain() {
  const [event, connection] = [$('explain-event').value.trim(), $('explain-connection').value.trim()];
  $('explain-result').hidden = true;
  if (!event || !connection) return;
  const response = await request(`admin/explain?${new URLSearchParams({ event, connection })}`);
  const result = await jsonOf(response);
  $('explain-result').hidden = false;
  if (result) show(result);
  else await showProblem(response);
  reveal($('explain-result'));
}

async function showProblem(response) {
  $('explain-outcome').dataset.state = 'stopped';
  $('explain-outcome').replaceChildren('There is no explanation.');
  $('explain-detail').replaceChildren(...await problemInWords(response));
  $('explain-facts').replaceChildren();
}

function show({ outcome, detail, event, connection, at }) {
  const [headline, state] = outcomes[outcome] ?? [outcome, 'lost'];
  $('explain-outcome').dataset.state = state;
  $('explain-outcome').replaceChildren(headline);
  $('explain-detail').replaceChildren(detail, ' ', advice[outcome] ?? '');
  const facts = [
    ['Event', event && code(event.id)],
    ['Published', event && dateAndTime(event.time)],
    ['Its topics', event && `${visible(event.topics.join(', '))}${event.private ? ' (private)' : ''}`],
    ['Sent', at && fineTime(at)],
    ['Client', connection && `${connection.user ? `${visible(connection.user)} at ` : ''}${addressOf(connection)}`],
    ['Its topics', connection && visible(topicsOf(connection))],
    ['Connected', connection && `${dateAndTime(connection.since)}, ${lasting(connection.since)} ago`],
    ['Sent up to', connection?.sent_id && code(connection.sent_id)],
    ['Behind', connection && `${connection.behind.toLocaleString('en')} events`],
  ];
  $('explain-facts').replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [element('dt', '', name), element('dd', '', value)]));
}

/** The address has both, so that a result can be passed on; neither is a secret. */
function submit() {
  goTo('explain', { event: $('explain-event').value.trim(), connection: $('explain-connection').value.trim() });
}

function onChoice({ target }) {
  const kind = /^explain-(event|connection)-choice$/.exec(target.name)?.[1];
  if (!kind) return;
  $(`explain-${kind}`).value = target.value;
  if ($('explain-event').value && $('explain-connection').value) submit();
}

export function addExplain() {
  $('explain-form').addEventListener('submit', event => {
    event.preventDefault();
    submit();
  });
  $('view-explain').addEventListener('change', onChoice);
  for (const kind of ['event', 'connection']) $(`explain-${kind}`).addEventListener('input', () => mark(kind));
  $('explain-by').addEventListener('change', chooseConnections);
  $('explain-filter').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(chooseConnections, typingMilliseconds);
  });
  addView('explain', {
    show: parameters => {
      for (const kind of ['event', 'connection']) {
        if (parameters.has(kind)) $(`explain-${kind}`).value = parameters.get(kind);
      }
      chooseEvents();
      chooseConnections();
      explain();
    },
  });
}
