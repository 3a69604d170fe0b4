// One event in full, beside the list, or over it on a narrow screen.
import { $, button, code, copyText, element } from './dom.js';
import { curlOfEvent } from './curl.js';
import { markShown } from './event-rows.js';
import { bytes, dateAndTime, fineTime, visible } from './format.js';
import { pretty, showFormatted } from './json.js';
import { needsKey, fillForm } from './publish.js';

const narrow = matchMedia('(max-width: 55.99rem)');
/** What operators can do with an event besides. @type {Map<string, (event: object) => void>} */
const actions = new Map();
let returnTo = null;

/** @param {string} label @param {(event: object) => void} onClick */
export function addEventAction(label, onClick) {
  actions.set(label, onClick);
}

/** @param {import('./filter.js').PublishedEvent} event @param {HTMLElement} row what has the focus again when it is closed */
export function showDetails(event, row) {
  const dialog = $('details');
  returnTo = row;
  markShown(event.id);
  row.setAttribute('aria-current', 'true');
  $('details-facts').replaceChildren(...facts(event));
  showFormatted($('details-data'), event.data);
  $('details-actions').replaceChildren(...buttons(event));
  $('details-none').hidden = event.data !== '';
  $('details-data').hidden = event.data === '';
  if (dialog.open) return;
  if (narrow.matches) dialog.showModal();
  else dialog.show();
  $('details-close').focus();
}

export function hideDetails() {
  if (!$('details').open) return;
  $('details').close();
}

function facts({ id, own_id: ownId, topics, event, data, time, retry, private: isPrivate, finish }) {
  const when = element('time', '', fineTime(time));
  when.dateTime = time;
  when.title = dateAndTime(time);
  const rows = [
    ['Time', when],
    ['Id', code(id)],
    ['Idempotency key', ownId && code(visible(ownId))],
    ['Topics', element('span', '', ...topics.flatMap(topic => [element('span', 'topic', visible(topic)), ' ']))],
    ['Event name', event && visible(event)],
    ['Private', isPrivate && 'yes: only clients with a grant are sent it'],
    ['Finishes', finish && 'yes: streams of its topics alone end'],
    ['Retry', Number.isFinite(retry) && `${retry} ms`],
    ['Size', bytes(new Blob([data]).size)],
  ];
  return rows.filter(([, value]) => value).flatMap(([name, value]) => [element('dt', '', name), element('dd', '', value)]);
}

function buttons(event) {
  const own = [
    button('Copy data', ({ target }) => copyText(pretty(event.data), target)),
    button('Copy event', ({ target }) => copyText(JSON.stringify(event, null, 2), target)),
    button('Copy as curl', ({ target }) => copyText(curlOfEvent(event, needsKey()), target)),
    button('Put into the form', () => {
      hideDetails();
      fillForm(event);
    }),
  ];
  const more = [...actions].map(([label, onClick]) => button(label, () => {
    hideDetails();
    onClick(event);
  }));
  return [...own, ...more];
}

$('details-close').addEventListener('click', hideDetails);
$('details').addEventListener('close', () => {
  markShown(null);
  if (returnTo?.isConnected) returnTo.focus({ preventScroll: true });
});
document.addEventListener('keydown', ({ key }) => {
  // Only a modal dialog closes by itself.
  if (key === 'Escape' && !document.querySelector(':modal')) hideDetails();
});
narrow.addEventListener('change', hideDetails);
