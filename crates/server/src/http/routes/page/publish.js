import { $, code, element, keep, kept, names, problemInWords } from './dom.js';

const fields = ['publish-topic', 'publish-event', 'publish-data'];
let access = { publish: 'unknown' };

export function publishTopics() {
  return names($('publish-topic').value);
}

export function needsKey() {
  return access.publish === 'key';
}

/** Shows before anything is typed whether this page may publish, and whether it needs a key. */
export async function showAccess() {
  const response = await fetch('page.json', { method: 'POST', signal: AbortSignal.timeout(5000) }).catch(() => null);
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
    say('failed', element('strong', '', 'No response.'), ' The server was not reached, or the connection was cut: the event may have been published or not.');
  }
}

function draft() {
  const topics = publishTopics();
  return { topics: topics.length > 0 ? topics : undefined, event: $('publish-event').value.trim() || undefined, data: $('publish-data').value };
}

function say(kind, ...words) {
  $('publish-output').dataset.kind = kind;
  $('publish-output').replaceChildren(...words);
}

export function keepDraft() {
  keep('draft', fields.map(id => $(id).value));
}

export function restoreDraft() {
  const values = kept('draft');
  if (Array.isArray(values)) fields.forEach((id, place) => { $(id).value = values[place] ?? ''; });
}
