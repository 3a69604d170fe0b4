// The signals: a list that follows their documents, and one of them to watch and edit.
import { $, element, plural, setText } from './dom.js';
import { visible } from './format.js';
import { pretty } from './json.js';
import { Poller } from './poller.js';
import { jsonOf, openSource, request } from './session.js';
import { isEditing, isFolder, openName, openSignal, signalChanged } from './signal-editor.js';
import { addView } from './tabs.js';

/** As many as one stream of signals may name. */
const maxNames = 100;
const pollSeconds = 5;
const fetchDelay = 200;
const typingMilliseconds = 250;
/** What a row shows of a document: the rest is out of its sight. */
const maxPreview = 2000;

let source = null;
let followed = '';
let listed = new Set();
let typing = 0;
/** By name, its row and how many changes it has had. */
const rows = new Map();
const poller = new Poller(load, pollSeconds);

/** Follows the signals while their view is shown, and holds no connection otherwise. */
function hide() {
  poller.stop();
  source?.close();
  source = null;
  followed = '';
}

async function load(signal) {
  const response = await request(`signals?${new URLSearchParams({ limit: maxNames, prefix: $('signals-prefix').value })}`, { signal });
  const list = await jsonOf(response);
  if (list && !signal.aborted) follow(list.signals.map(({ name }) => name), list.more);
}

function follow(names, more) {
  const none = $('signals-prefix').value ? 'No signal begins like this.' : 'There are none yet.';
  setText($('signals-note'), names.length === 0 ? none : more ? `The first ${plural(names.length, 'signal')}, in order of names.` : plural(names.length, 'signal'));
  for (const name of [...rows.keys()].filter(name => !names.includes(name))) remove(name);
  // The one that is open is followed even where the list is filtered.
  const others = names.filter(name => !isEditing(name)).slice(0, maxNames - 1);
  const wanted = openName() ? [...others, openName()] : names;
  const query = new URLSearchParams(wanted.map(name => ['name', name])).toString();
  if (query === followed && source?.readyState !== EventSource.CLOSED) return;
  followed = query;
  source?.close();
  listed = new Set(names);
  source = wanted.length > 0 ? openSource(`signals?${query}`) : null;
  source?.addEventListener('message', ({ data }) => change(JSON.parse(data)));
  source?.addEventListener('deleted', ({ data }) => remove(JSON.parse(data).name));
}

function change({ name, patch }) {
  const whole = patch.at(-1);
  const text = whole?.path === '' && 'value' in whole ? JSON.stringify(whole.value) : null;
  // A stream begins with each document whole, changed or not.
  if (text === null || rows.get(name)?.text !== text) signalChanged(name, patch);
  if (!listed.has(name)) return;
  const row = rowOf(name);
  row.changes += 1;
  if (text !== null) return show(row, text);
  row.timer ||= setTimeout(() => fetchDocument(name, row), fetchDelay);
}

// Read whole, so that the page need not apply patches.
async function fetchDocument(name, row) {
  row.timer = 0;
  if (isFolder(name)) return;
  const { changes } = row;
  const response = await request(`signals/${encodeURIComponent(name)}`);
  const text = response?.ok ? await response.text().catch(() => null) : null;
  if (text !== null && row.changes === changes) show(row, text);
}

function rowOf(name) {
  if (rows.has(name)) return rows.get(name);
  const document = element('pre', '');
  const trigger = element('button', 'row', element('strong', '', visible(name)), document);
  trigger.type = 'button';
  trigger.addEventListener('click', () => {
    openSignal(name);
    markCurrent(name);
    poller.now();
  });
  const row = { node: element('li', '', trigger), document, text: null, changes: 0, timer: 0 };
  rows.set(name, row);
  if (isEditing(name)) trigger.setAttribute('aria-current', 'true');
  const after = [...rows.keys()].sort();
  $('signal-list').insertBefore(row.node, rows.get(after[after.indexOf(name) + 1])?.node ?? null);
  return row;
}

function markCurrent(name) {
  for (const [other, { node }] of rows) {
    if (other === name) node.firstChild.setAttribute('aria-current', 'true');
    else node.firstChild.removeAttribute('aria-current');
  }
}

function show(row, text) {
  row.text = text;
  setText(row.document, pretty(text).slice(0, maxPreview));
}

function remove(name) {
  rows.get(name)?.node.remove();
  rows.delete(name);
  signalChanged(name, null);
}

$('signals-prefix').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => poller.now(), typingMilliseconds);
});
$('signals-new').addEventListener('click', () => {
  openSignal(null);
  markCurrent(null);
});
addView('signals', { show: () => poller.now(), hide });

/** Called when somebody has signed in. */
export function changeSignalRights() {
  if (followed === '') return;
  hide();
  poller.now();
}
