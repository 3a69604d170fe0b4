import { $, element, plural } from './dom.js';
import { pretty } from './list.js';

const maxNames = 100;
const pollSeconds = 5;
const fetchDelay = 200;

let source = null;
let followed = '';
let timer;
/** By name, its row and how many changes it has had. */
const rows = new Map();

/** Follows the signals while their part of the page is open, and holds no connection otherwise. */
export function toggle() {
  if ($('signals').open) return poll();
  clearTimeout(timer);
  source?.close();
  source = null;
  followed = '';
}

async function poll() {
  clearTimeout(timer);
  const headers = { Accept: 'application/json' };
  const response = await fetch(`signals?limit=${maxNames}`, { headers, signal: AbortSignal.timeout(5000) }).catch(() => null);
  const list = response?.ok ? await response.json().catch(() => null) : null;
  if (!$('signals').open) return;
  if (list) follow(list.signals.map(({ name }) => name), list.more);
  clearTimeout(timer);
  timer = setTimeout(poll, pollSeconds * 1000);
}

function follow(names, more) {
  $('signals-note').textContent = names.length === 0 ? 'There are none yet.' : more ? `The first ${plural(names.length, 'signal')}, in order of names.` : '';
  for (const name of [...rows.keys()].filter(name => !names.includes(name))) remove(name);
  const query = new URLSearchParams(names.map(name => ['name', name])).toString();
  if (query === followed && source?.readyState !== EventSource.CLOSED) return;
  followed = query;
  source?.close();
  source = names.length > 0 ? new EventSource(`signals?${query}`) : null;
  source?.addEventListener('message', ({ data }) => change(JSON.parse(data)));
  source?.addEventListener('deleted', ({ data }) => remove(JSON.parse(data).name));
}

function change({ name, patch }) {
  const row = rowOf(name);
  row.changes += 1;
  const whole = patch.at(-1);
  if (whole?.path === '' && 'value' in whole) return show(row, JSON.stringify(whole.value));
  row.timer ||= setTimeout(() => fetchDocument(name, row), fetchDelay);
}

// Read whole, so that the page need not apply patches.
async function fetchDocument(name, row) {
  row.timer = 0;
  const { changes } = row;
  const response = await fetch(`signals/${encodeURIComponent(name)}`, { signal: AbortSignal.timeout(5000) }).catch(() => null);
  const text = response?.ok ? await response.text().catch(() => null) : null;
  if (text !== null && row.changes === changes) show(row, text);
}

function rowOf(name) {
  if (rows.has(name)) return rows.get(name);
  const document = element('pre', '');
  const row = { node: element('li', '', element('strong', '', name), document), document, changes: 0, timer: 0 };
  rows.set(name, row);
  const after = [...rows.keys()].sort();
  $('signal-list').insertBefore(row.node, rows.get(after[after.indexOf(name) + 1])?.node ?? null);
  return row;
}

function show(row, text) {
  row.document.textContent = pretty(text);
}

function remove(name) {
  rows.get(name)?.node.remove();
  rows.delete(name);
}
