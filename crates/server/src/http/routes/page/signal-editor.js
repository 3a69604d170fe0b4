// One signal: its document, its last changes, and an editor that shows what it would change before it is sent.
import { $, code, element, plural, problemInWords, reveal } from './dom.js';
import { diffLines } from './diff.js';
import { clock, visible } from './format.js';
import { jsonError, pretty } from './json.js';
import { partsOfLines, setField, showInParts } from './long-text.js';
import { request } from './session.js';

const maxChanges = 50;
const maxOperations = 5;

/** The signal that is open: its name, or null for a new one; what the editor began with. */
let open = null;

export const openName = () => open?.name;
export const isEditing = name => open?.name === name;
/** Names that no address can have: a browser takes them for folders, even encoded. */
export const isFolder = name => name === '.' || name === '..';
const path = name => `signals/${encodeURIComponent(name)}`;

/** @param {string|null} name null for a new one */
export async function openSignal(name) {
  open = { name, version: null, text: '' };
  $('signal').hidden = false;
  $('signal-name').textContent = visible(name ?? 'New signal');
  $('signal-new-name-field').hidden = name !== null;
  $('signal-delete').hidden = name === null;
  $('signal-changes-part').hidden = name === null;
  $('signal-changes').replaceChildren();
  $('signal-moved').hidden = true;
  say('');
  if (name === null) {
    setField($('signal-document'), '{\n  \n}');
    $('signal-new-name').focus();
    return;
  }
  $('signal-name').focus();
  await takeCurrent();
  if (open?.name === name) reveal($('signal'));
}

/** Fills the editor with the document as it is now. */
async function takeCurrent() {
  const { name } = open;
  const current = await read(name);
  if (open?.name !== name) return;
  if (!current.text) return say('failed', ...current.words);
  Object.assign(open, current);
  setField($('signal-document'), pretty(current.text));
  $('signal-version').textContent = current.version?.replaceAll('"', '') ?? '';
  $('signal-moved').hidden = true;
  checkDocument();
}

async function read(name) {
  if (isFolder(name)) return { words: [element('strong', '', `The name “${name}” is not possible.`), ' In an address it stands for a folder.'] };
  const response = await request(path(name));
  const text = response?.ok ? await response.text().catch(() => null) : null;
  if (text === null) return { missing: response?.status === 404, words: await problemInWords(response) };
  return { text, version: response.headers.get('etag') };
}

/** A change of a signal, from the stream. @param {object[]|null} patch null if it was deleted */
export function signalChanged(name, patch) {
  if (!isEditing(name) || open.version === null) return;
  const words = patch ? patch.slice(0, maxOperations).map(operation) : [element('span', 'operation', 'deleted')];
  if (patch?.length > maxOperations) words.push(element('span', 'operation', `and ${plural(patch.length - maxOperations, 'more operation')}`));
  $('signal-changes').prepend(element('li', '', element('time', '', clock.format(new Date())), ...words));
  while ($('signal-changes').childElementCount > maxChanges) $('signal-changes').lastChild.remove();
  if ($('signal-document').value === pretty(open.text)) return patch && takeCurrent();
  $('signal-moved').hidden = false;
}

function operation({ op, path: pointer, value }) {
  const text = value === undefined ? '' : ` ${JSON.stringify(value)}`;
  return element('span', 'operation', `${op} `, code(pointer || '(whole)'), text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

function checkDocument() {
  const field = $('signal-document');
  const error = jsonError(field.value);
  $('signal-error').textContent = error ?? '';
  if (error) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  $('signal-review').disabled = Boolean(error);
}

/** Shows what would change, against the document as it is at this moment. */
async function review() {
  const name = open.name ?? $('signal-new-name').value.trim();
  if (!name) return $('signal-new-name').focus();
  const current = await read(name);
  if (current.text === undefined && !current.missing) return say('failed', ...current.words);
  open.review = { name, version: current.version ?? null, body: $('signal-document').value };
  const before = current.text ? pretty(current.text) : '';
  const after = pretty(open.review.body);
  const changes = current.text ? diffLines(before, after) : after.split('\n').map(text => ({ kind: 'added', text }));
  const differs = changes.some(({ kind }) => kind === 'added' || kind === 'removed');
  $('review-title').textContent = current.text ? `Change ${name}` : `Create ${name}`;
  $('review-warning').hidden = !(open.version && open.version !== current.version);
  $('review-none').hidden = differs;
  $('review-send').disabled = !differs;
  showInParts($('review-diff'), partsOfLines(changes), part => element('span', 'part', ...part.map(line)));
  $('review-output').replaceChildren();
  $('review').showModal();
}

function line({ kind, text }) {
  const tag = { added: 'ins', removed: 'del' }[kind] ?? 'span';
  return element(tag, `line ${kind}`, text || ' ');
}

async function send() {
  const { name, version, body } = open.review;
  // Only over what was shown.
  const condition = version ? { 'If-Match': version } : { 'If-None-Match': '*' };
  $('review-send').disabled = true;
  const response = await request(path(name), { method: 'PUT', headers: { 'Content-Type': 'application/json', ...condition, ...ownKey() }, body });
  $('review-send').disabled = false;
  if (response?.ok) {
    $('review').close();
    if (open.name !== name) await openSignal(name);
    else await takeCurrent();
    return say('done', 'Sent.');
  }
  const words = response?.status === 412
    ? [element('strong', '', 'Another writer was faster.'), ' The document has changed since this was shown. Close this and review again.']
    : await problemInWords(response);
  $('review-output').replaceChildren(...words);
}

/** The key of the form that publishes: the same rules apply to signals. */
function ownKey() {
  const key = $('publish-key').value;
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function remove() {
  const { name } = open;
  const response = await request(path(name), { method: 'DELETE', headers: ownKey() });
  $('signal-delete-dialog').close();
  if (!response?.ok) return say('failed', ...await problemInWords(response));
  close();
}

function close() {
  open = null;
  $('signal').hidden = true;
  (document.querySelector('#signal-list [aria-current]') ?? $('signals-prefix')).focus();
}

function say(kind, ...words) {
  $('signal-output').dataset.kind = kind;
  $('signal-output').replaceChildren(...words);
}

$('signal-document').addEventListener('input', checkDocument);
$('signal-form').addEventListener('submit', review);
$('signal-format').addEventListener('click', () => {
  setField($('signal-document'), pretty($('signal-document').value));
  checkDocument();
});
$('signal-take').addEventListener('click', takeCurrent);
$('signal-close').addEventListener('click', close);
$('review-send').addEventListener('click', send);
$('review-close').addEventListener('click', () => $('review').close());
$('signal-delete').addEventListener('click', () => {
  $('signal-delete-name').textContent = open.name;
  $('signal-delete-dialog').showModal();
});
$('signal-delete-confirm').addEventListener('click', remove);
$('signal-delete-cancel').addEventListener('click', () => $('signal-delete-dialog').close());
