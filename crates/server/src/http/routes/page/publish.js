import { $, code, element, forget, keep, kept, names, inWords, plural, problemInWords, reveal } from './dom.js';
import { jsonError, pretty } from './json.js';
import { setField } from './long-text.js';
import { request } from './session.js';
import { goTo } from './tabs.js';

const kinds = ['publish-topic', 'publish-event', 'publish-data', 'publish-json'];
const known = ['topic', 'topics', 'event', 'data', 'id', 'retry', 'private'];
let access = { publish: 'unknown' };

export function publishTopics() {
  return names($('publish-topic').value);
}

export function needsKey() {
  return access.publish === 'key';
}

/** Shows before anything is typed whether this page may publish, and whether it needs a key. */
export async function showAccess() {
  const response = await request('page.json', { method: 'POST' });
  if (!response?.ok) return;
  access = await response.json().catch(() => access);
  const refused = access.publish === 'refused';
  $('publish-fields').disabled = refused;
  $('publish-notice').hidden = !refused;
  $('publish-notice').replaceChildren(element('strong', '', 'This page may not publish:'), ` ${access.detail}. `, 'Code: ', code(access.code ?? ''));
  $('publish-key-field').hidden = access.publish === 'open';
  $('publish-key-label').textContent = needsKey() ? 'Key, which this server requires' : 'Key, if the server requires one';
}

export async function publish() {
  const key = $('publish-key');
  key.removeAttribute('aria-invalid');
  const body = isJsonMode() ? $('publish-json').value : JSON.stringify(draft());
  if (isJsonMode() && !checkJson()) return $('publish-json').focus();
  say('busy', 'Publishing…');
  const headers = { 'Content-Type': 'application/json', ...(key.value && { Authorization: `Bearer ${key.value}` }) };
  const response = await request('events', { method: 'POST', headers, body });
  if (!response) return say('failed', element('strong', '', 'No response.'), ' The server was not reached, or the connection was cut: the event may have been published or not.');
  if (response.ok) return say('done', ...published(await response.json()));
  say('failed', ...await problemInWords(response));
  if (response.status === 401 && !$('publish-key-field').hidden) {
    key.setAttribute('aria-invalid', 'true');
    key.focus();
  }
}

function published({ id, ids }) {
  return ids ? [`Published ${plural(ids.length, 'event')}`, ...(ids.length > 0 ? [', the last as ', code(ids.at(-1))] : [])] : ['Published as ', code(id)];
}

/** The form as the JSON that is sent. */
function draft() {
  const topics = publishTopics();
  const retry = $('publish-retry').value;
  return {
    topics: topics.length > 0 ? topics : undefined,
    event: $('publish-event').value.trim() || undefined,
    id: $('publish-id').value.trim() || undefined,
    retry: retry ? Number(retry) : undefined,
    private: $('publish-private').checked || undefined,
    data: $('publish-data').value,
  };
}

const isJsonMode = () => $('publish-form').elements['publish-mode'].value === 'json';

/** Turns the form into JSON, or JSON into the form where it has no more than the form can show. */
export function switchMode() {
  const json = isJsonMode();
  $('publish-as-form').hidden = json;
  $('publish-as-json').hidden = !json;
  if (json) {
    setField($('publish-json'), JSON.stringify(draft(), null, 2));
    checkJson();
    return;
  }
  const event = parsed($('publish-json').value);
  if (event && !Array.isArray(event) && typeof event === 'object' && Object.keys(event).every(name => known.includes(name))) showInForm(event);
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}

function showInForm({ topic, topics = topic ? [topic] : [], event, data = '', id, retry, private: isPrivate }) {
  $('publish-topic').value = inWords(topics);
  $('publish-event').value = event ?? '';
  setField($('publish-data'), typeof data === 'string' ? data : JSON.stringify(data, null, 2));
  $('publish-id').value = id ?? '';
  $('publish-retry').value = retry ?? '';
  $('publish-private').checked = Boolean(isPrivate);
}

/** An event of the list, ready to be changed and published again. Without its idempotency key: it would count as a repeat. */
export function fillForm({ topics, event, data, private: isPrivate }) {
  goTo('events');
  $('publish-form').elements['publish-mode'].value = 'form';
  switchMode();
  showInForm({ topics, event, data: pretty(data), private: isPrivate });
  $('publish-data').focus();
}

/** @returns {boolean} whether it can be sent */
export function checkJson() {
  const field = $('publish-json');
  const error = jsonError(field.value);
  const value = error ? null : JSON.parse(field.value);
  const isEvents = typeof value === 'object' && value !== null;
  const words = error ?? (isEvents ? `Valid JSON: ${plural(Array.isArray(value) ? value.length : 1, 'event')}.` : 'An event is an object, and several are an array of objects.');
  $('publish-json-note').textContent = words;
  if (isEvents) field.removeAttribute('aria-invalid');
  else field.setAttribute('aria-invalid', 'true');
  return isEvents;
}

export function formatJson() {
  setField($('publish-json'), pretty($('publish-json').value));
  checkJson();
}

function say(kind, ...words) {
  $('publish-output').dataset.kind = kind;
  $('publish-output').replaceChildren(...words);
  // On a phone it begins below the screen.
  if (kind !== 'busy') reveal($('publish-output'));
}

export function keepDraft() {
  keep('draft', [...kinds.map(id => $(id).value), $('publish-form').elements['publish-mode'].value]);
}

/** Leaves nothing of what was typed, or taken over from an event that only an operator may read. */
export function clearForm() {
  $('publish-form').reset();
  switchMode();
  $('publish-json').value = '';
  $('publish-output').replaceChildren();
  forget('draft');
}

export function restoreDraft() {
  const values = kept('draft');
  if (!Array.isArray(values)) return;
  kinds.forEach((id, place) => { $(id).value = values[place] ?? ''; });
  if (values.at(-1) !== 'json') return;
  $('publish-form').elements['publish-mode'].value = 'json';
  $('publish-as-form').hidden = true;
  $('publish-as-json').hidden = false;
  checkJson();
}
