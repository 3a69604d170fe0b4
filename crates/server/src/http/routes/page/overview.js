// The live figures of the server, its history and its nodes.
import { $, code, element, problemInWords, setText } from './dom.js';
import { Chart } from './chart.js';
import { bytes, count, dateAndTime, lasting, milliseconds, short } from './format.js';
import { Poller } from './poller.js';
import { jsonOf, request } from './session.js';
import { Table } from './table.js';
import { addView } from './tabs.js';

const seconds = 300;
/** How many samples are asked for when the last are known: more than come between two polls. */
const overlap = 10;
const pollSeconds = 1;

const per = name => ({ name, value: sample => sample[name] });
const charts = [
  { title: 'Subscribers', series: [per('subscribers')], format: count, note: ({ behind }) => (behind > 0 ? `${count(behind)} behind` : 'all up to date') },
  { title: 'Published per second', series: [per('published')], format: short, whole: true },
  { title: 'Delivered per second', series: [per('delivered')], format: short, whole: true },
  {
    title: 'Delivery latency, mean', format: milliseconds, whole: true,
    series: [{ name: 'mean', value: sample => sample.fan_out_ms?.mean ?? null }, { name: 'p99', value: sample => sample.fan_out_ms?.p99 ?? null }],
    note: ({ fan_out_ms: latency }) => (latency ? `p99 ${milliseconds(latency.p99)}` : 'nothing was delivered'),
  },
  { title: 'Lag, in events', series: [per('lag_events')], format: short, whole: true },
  { title: 'Sent per second', series: [per('sent_bytes')], format: bytes, whole: true },
  { title: 'Memory', series: [per('memory_bytes')], format: bytes },
  { title: 'Gaps per second', series: [per('gaps')], format: short, whole: true, note: ({ refused }) => `${short(refused)} refused per second` },
];

let drawn = [];
let nodes = null;
/** By time. @type {Map<number, object>} */
let samples = new Map();
/** When the last samples came. */
let polled = 0;
const poller = new Poller(load, pollSeconds);

async function load(signal) {
  const known = Date.now() - polled < overlap * 1000;
  const response = await request(`admin/status?samples=${known ? overlap : seconds}`, { signal });
  const status = await jsonOf(response);
  if (signal.aborted) return;
  $('overview-problem').hidden = Boolean(status);
  $('view-overview').classList.toggle('stale', !status);
  if (!status) return $('overview-problem').replaceChildren(...await problemInWords(response));
  polled = Date.now();
  keepSamples(status);
  show(status);
}

function keepSamples(status) {
  for (const sample of status.samples) samples.set(sample.time, sample);
  const newest = Math.max(...samples.keys(), 0);
  samples = new Map([...samples].filter(([time]) => newest - time <= seconds * 1000).sort(([a], [b]) => a - b));
}

function show(status) {
  const list = [...samples.values()];
  if (!(list.at(-1)?.time >= status.now.time)) list.push(status.now);
  for (const chart of drawn) chart.update(list, seconds);
  showServer(status);
  showHistory(status.history);
  nodes.update(status.nodes.map(node => ({ ...node, own: node.node === status.node, now: Date.parse(status.time) })));
}

function facts(list, rows) {
  if (list.childElementCount !== rows.length * 2) list.replaceChildren(...rows.flatMap(([name]) => [element('dt', '', name), element('dd', '')]));
  rows.forEach(([, value], place) => {
    const cell = list.children[2 * place + 1];
    if (value instanceof Node) {
      if (cell.textContent !== value.textContent) cell.replaceChildren(value);
    } else {
      setText(cell, value);
    }
  });
}

function showServer({ version, node, started, time }) {
  facts($('server-facts'), [
    ['Version', version],
    ['Node', code(node)],
    ['Started', `${dateAndTime(started)}, ${lasting(started, Date.parse(time))} ago`],
  ]);
}

function showHistory(history) {
  const kinds = { memory: 'in memory', disk: 'on disk', redis: 'in Redis', postgres: 'in PostgreSQL' };
  $('history-state').dataset.state = history.available ? 'open' : 'stopped';
  setText($('history-state'), history.available ? `Available, ${kinds[history.kind] ?? history.kind}` : `Unavailable, ${kinds[history.kind] ?? history.kind}`);
  fill('events', history.events, history.max_events, count);
  fill('bytes', history.bytes, history.max_bytes, bytes);
  facts($('history-facts'), [
    ['Oldest event', history.oldest ? dateAndTime(history.oldest) : 'none'],
    ['Newest event', history.newest ? dateAndTime(history.newest) : 'none'],
    ['Head', code(history.head)],
  ]);
}

function fill(name, value, most, format) {
  const meter = $(`history-${name}-meter`);
  meter.hidden = !most;
  meter.max = most ?? 1;
  meter.value = value;
  setText($(`history-${name}-text`), most ? `${format(value)} of ${format(most)}` : format(value));
}

export function addOverview() {
  drawn = charts.map(options => new Chart(options));
  $('charts').replaceChildren(...drawn.map(({ node }) => node));
  nodes = new Table($('nodes-table'), [
    { label: 'Node', className: 'name', text: ({ node, own }) => (own ? `${node} (this one)` : node) },
    { label: 'Subscribers', className: 'number', text: ({ subscribers }) => count(subscribers) },
    { label: 'Published per second', className: 'number', text: row => short(row.published_per_second) },
    { label: 'Reported', className: 'number', text: ({ time, now }) => `${lasting(time, now)} ago` },
  ], { keyOf: ({ node }) => node });
  addView('overview', { show: () => poller.now(), hide: () => poller.stop() });
}
