// The pages of docs/clients, as they stand there, in Chromium: each shows every event once and in order, with
// a proxy and a server that fail.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { launch, newPage } from '../clients/support/browser.mjs';
import { Server } from '../clients/support/server.mjs';
import { until } from '../clients/support/until.mjs';
import { bundle } from './support/bundle.mjs';
import { Gate } from './support/gate.mjs';
import { adapted, Guide, save } from './support/guide.mjs';
import { wanted } from './support/wanted.mjs';

const WORK = fileURLToPath(new URL('.work/', import.meta.url));
const DATASTAR = new URL('../../examples/node_modules/.datastar/datastar-1.0.2.js', import.meta.url);
const TEST = { timeout: 180_000 };
const PATIENCE = 40_000;
const RELOAD = { '30_000 * Math.random()': '100 * Math.random()' };

const named = (files) => Object.fromEntries(Object.entries(files).map(([file, text]) => [`/${file}`, text]));
const filesOf = (name) => new Guide(name).files;

/** The modules of the page about JavaScript. */
function modules(times = {}) {
  const { 'events.js': events, 'publish.js': publish } = filesOf('javascript');
  return { 'events.js': adapted(events, { ...RELOAD, ...times }), 'publish.js': publish };
}

function plain(name, times) {
  return { path: '/index.html', files: named({ ...filesOf(name), ...modules(times) }) };
}

async function bundled(name, entry) {
  const folder = join(WORK, name);
  await save(folder, { ...filesOf(name), ...modules() });
  const script = await bundle(join(folder, entry));
  const html = '<!doctype html><meta charset="utf-8"><title>News</title><div id="root"></div><script type="module" src="/main.js"></script>';
  return { path: '/index.html', files: { '/index.html': html, '/main.js': script } };
}

function htmx(version, script) {
  const files = filesOf('htmx');
  const page = files[`htmx${version}.html`];
  const text = adapted(page, { '/node_modules/htmx.org/': `/node_modules/htmx${version}/` });
  const reloading = { [`htmx${version}.html`]: text, 'resume.js': files['resume.js'] };
  reloading[script] = adapted(reloading[script], RELOAD);
  return { path: `/htmx${version}.html`, files: named(reloading) };
}

async function datastar(file) {
  return { path: `/${file}`, files: { ...named(filesOf('datastar')), '/datastar.js': await readFile(DATASTAR, 'utf8') } };
}

/** Fills in the form of the page. */
async function byForm({ page }, text) {
  await page.getByLabel('Text').fill(text);
  await page.getByRole('button', { name: 'Publish' }).click();
}

/** Runs the command of a page that contains `part`, with other values. */
async function runCommand(guide, part, values) {
  const command = new Guide(guide).commands.find((line) => line.includes(part));
  assert.ok(command, `docs/clients/${guide}.md has a command with ${part}`);
  await promisify(execFile)('sh', ['-euc', adapted(command, { ...values, 'curl ': 'curl --no-progress-meter --fail ' })]);
}

const byCommand = (guide) => ({ gate }, text) => runCommand(guide, 'curl', { '127.0.0.1:8000': gate.address, hello: text });

/** How to open a page, how to publish as it says, and what publishes the same while its gate is closed. */
const news = (data) => ({ topic: 'news', event: 'update', data });
const post = (data) => ({ topic: 'posts', data: `<li>${data}</li>` });
const PAGES = {
  JavaScript: { open: () => plain('javascript'), publish: byForm, event: news },
  React: { open: () => bundled('react', 'main.jsx'), publish: byForm, event: news },
  Vue: { open: () => bundled('vue', 'main.js'), publish: byForm, event: news },
  Svelte: { open: () => bundled('svelte', 'main.js'), publish: byForm, event: news },
  Alpine: { open: () => plain('alpine'), publish: byForm, event: news },
  Turbo: {
    open: () => plain('turbo'),
    publish: byCommand('turbo'),
    event: (data) => ({ topic: 'posts', data: `<turbo-stream action="append" target="posts"><template><li>${data}</li></template></turbo-stream>` }),
  },
  'htmx 2': { open: () => htmx(2, 'resume.js'), publish: byCommand('htmx'), event: post },
  'htmx 4': { open: () => htmx(4, 'htmx4.html'), publish: byCommand('htmx'), event: post },
};

let browser;

class Visit {
  /** Starts a server on disk and a gate in front of it, and opens the page there. */
  static async start(t, { path, files }) {
    const visit = new Visit();
    visit.data = await mkdtemp(join(tmpdir(), 'sse-broadcaster-guides-'));
    visit.gate = await Gate.start(t, files);
    visit.server = await Server.start(t, {
      args: ['--data-dir', join(visit.data, 'log'), '--publish-origin', visit.gate.url],
    });
    visit.gate.target = visit.server.port;
    t.after(() => rm(visit.data, { recursive: true, force: true }));
    visit.page = await newPage(t, browser);
    visit.errors = [];
    visit.page.on('pageerror', (error) => visit.errors.push(error.message));
    await visit.page.goto(visit.gate.url + path);
    await until(() => visit.gate.opened > 0, () => `a stream: ${visit.errors}`, PATIENCE);
    return visit;
  }

  async shows(expected) {
    let shown;
    const isShown = async () => {
      shown = await this.page.locator('li').allTextContents().catch(() => []);
      return JSON.stringify(shown) === JSON.stringify(expected);
    };
    await until(isShown, () => `${expected}, while the page shows ${shown} ${this.errors}`, PATIENCE);
  }

  /** The server is killed, starts again and gets `publish`, while the page's requests get 502. */
  async outage(publish) {
    const { gate, server } = this;
    const attempts = gate.streams.length;
    gate.fail(502);
    await server.kill();
    await server.startAgain();
    await publish();
    await until(() => gate.streams.length > attempts, 'an attempt that gets 502', PATIENCE);
    gate.pass();
  }

  /** The server begins a new history, and its clients cannot resume. */
  async forget() {
    await this.server.kill();
    await rm(this.data, { recursive: true });
    await this.server.startAgain();
  }
}

describe('the pages in a browser', { concurrency: 12, timeout: 600_000 }, () => {
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());

  for (const [name, { open, publish, event }] of Object.entries(PAGES)) {
    if (!wanted('pages')) continue;
    it(`of ${name} show each event once and in order through cuts, kills and 502, and load again after a gap`, TEST, async (t) => {
      const visit = await Visit.start(t, await open());
      const { server, gate } = visit;
      await publish(visit, 'first');
      await visit.shows(['first']);

      gate.cutInEvent();
      await server.publish(event('second'));
      await visit.shows(['first', 'second']);
      gate.endBeforeId();
      await server.publish(event('third'));
      await visit.shows(['first', 'second', 'third']);

      await visit.outage(() => server.publish(event('fourth')));
      await visit.shows(['first', 'second', 'third', 'fourth']);
      assert.equal(gate.loads, 1, 'without a reload');

      await visit.forget();
      await server.publish(event('of a new history'));
      await until(() => gate.loads === 2, 'the page to load again', PATIENCE);
      await visit.shows(['of a new history']);
      if (publish === byForm) gate.loseResponse();
      await publish(visit, 'last');
      await visit.shows(['of a new history', 'last']);
      if (publish === byForm) await until(() => gate.publishes === 3, 'the page to publish again', PATIENCE);
      await server.publish(event('end'));
      await visit.shows(['of a new history', 'last', 'end']);
      assert.deepEqual(visit.errors, []);
    });
  }

  if (!wanted('pages')) return;

  it('notice by the heartbeat that a connection is dead', TEST, async (t) => {
    const visit = await Visit.start(t, plain('javascript', { '15s': '1s', '40_000': '3_000' }));
    visit.gate.silence();
    await visit.server.publish(news('unseen at first'));
    await until(() => visit.gate.opened === 2, 'another stream', PATIENCE);
    await visit.shows(['unseen at first']);
  });

  it('of Turbo show what its own element receives', TEST, async (t) => {
    const { files } = plain('turbo');
    const element = new Guide('turbo').blocks.find(({ text }) => text.startsWith('<turbo-stream-source'));
    const page = files['/index.html'].replace(/<script type="module">[^]*/, element.text);
    const visit = await Visit.start(t, { path: '/index.html', files: { '/index.html': page } });
    await PAGES.Turbo.publish(visit, 'first');
    await visit.shows(['first']);
    visit.gate.cutInEvent();
    await visit.server.publish(PAGES.Turbo.event('second'));
    await visit.shows(['first', 'second']);
  });

  it('of Datastar show the state after a cut, a kill and 502, and a new history', TEST, async (t) => {
    const visit = await Visit.start(t, await datastar('index.html'));
    const { gate, page, server } = visit;
    const has = (price) => until(async () => (await page.locator('b').textContent()) === String(price), `the price ${price}`, PATIENCE);
    const put = (price) => runCommand('datastar', 'PUT', { '127.0.0.1:8000': server.address, '"value":12': `"value":${price}` });
    await put(12);
    await has(12);
    await page.getByRole('button', { name: 'Raise' }).click();
    await has(13);
    gate.cutInEvent();
    await put(14);
    await has(14);
    await visit.outage(() => put(15));
    await has(15);
    await visit.forget();
    await put(16);
    await has(16);
    assert.deepEqual(visit.errors, []);
  });

  it('of Datastar show each element once through a cut, a kill and 502', TEST, async (t) => {
    const visit = await Visit.start(t, await datastar('events.html'));
    const { gate, server } = visit;
    const publish = (text) => runCommand('datastar', 'printf', { '127.0.0.1:8000': server.address, hello: text });
    await publish('first');
    await visit.shows(['first']);
    gate.cutInEvent();
    await publish('second');
    await visit.shows(['first', 'second']);
    gate.endBeforeId();
    await publish('third');
    await visit.shows(['first', 'second', 'third']);
    await visit.outage(() => publish('fourth'));
    await visit.shows(['first', 'second', 'third', 'fourth']);
    assert.equal(gate.loads, 1, 'without a reload');
    assert.deepEqual(visit.errors, []);
  });
});
