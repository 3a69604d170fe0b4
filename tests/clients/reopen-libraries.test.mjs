// What htmx 1, htmx 2 and VueUse do in Chromium after 502 and 503, and the lines for them in
// docs/clients/htmx.md and docs/clients/vue.md, as they stand there: the page goes on after its last id.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { launch, newPage } from './support/browser.mjs';
import { Front } from './support/front.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { documented } from './support/readme.mjs';
import { REPORT } from './support/report.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

/** Waits of the libraries are cut to a tenth of a second, and the page's server collects what they show. */
const PRELUDE = `
${REPORT}
const show = (name, data) => report(data);
const wait = setTimeout;
window.setTimeout = (then, time) => wait(then, Math.min(time, 100));`;

const REPORT_SWAPS = `document.addEventListener('htmx:sseMessage', (event) => report(event.detail.data));`;
const MARKUP = '<div hx-ext="sse" sse-connect="/events?topic=news"><p sse-swap="message"></p></div>';

const script = (file) => readFile(new URL(`node_modules/${file}`, import.meta.url), 'utf8');
const page = (scripts, body = '') => `<!doctype html><link rel=icon href="data:,"><body>${body}${
  scripts.map((text) => `<script>${text}</script>`).join('')}`;

async function htmx(core, extension, lines = '') {
  return page([PRELUDE, await script(core), lines, await script(extension), REPORT_SWAPS], MARKUP);
}

async function vueuse(lines) {
  const setup = lines.replace(/^import .*\n/gm, '');
  const libraries = ['vue/dist/vue.global.prod.js', '@vueuse/shared/dist/index.iife.js', '@vueuse/core/dist/index.iife.js'];
  return page([PRELUDE, ...await Promise.all(libraries.map(script)),
    `const { watch } = Vue, { useEventSource } = VueUse; Vue.createApp({ setup() { ${setup} } }).mount('body');`]);
}

const VUEUSE_PLAIN = (options) => `
const { data } = useEventSource('/events?topic=news', [], ${options});
watch(data, (text) => show('message', text), { flush: 'sync' });`;

let browser;
let pages;
before(async () => {
  const [htmxLines, vueuseLines] = await Promise.all([
    documented('docs/clients/htmx.md', 'htmx 1 and htmx 2', 'js'), documented('docs/clients/vue.md', 'VueUse', 'js'),
  ]);
  const [htmx1, htmx2] = [
    ['htmx1/dist/htmx.min.js', 'htmx1/dist/ext/sse.js'], ['htmx2/dist/htmx.min.js', 'htmx-ext-sse/dist/sse.min.js'],
  ];
  pages = {
    'htmx 1': await htmx(...htmx1),
    'htmx 2': await htmx(...htmx2),
    'VueUse with autoReconnect': await vueuse(VUEUSE_PLAIN('{ autoReconnect: true }')),
    VueUse: await vueuse(VUEUSE_PLAIN('{}')),
    'the lines for htmx 1': await htmx(...htmx1, htmxLines),
    'the lines for htmx 2': await htmx(...htmx2, htmxLines),
    'the lines for VueUse': await vueuse(vueuseLines),
  };
  browser = await launch();
});
after(() => browser.close());

async function visit(t, name, status) {
  const server = await Server.start(t);
  const front = await Front.start(t, server.port, pages[name]);
  if (status) front.fail(status);
  await (await newPage(t, browser)).goto(`${front.url}/page`);
  return { server, front };
}

const publish = (server, data) => server.publish({ topic: 'news', data });

async function shows(front, data) {
  await until(() => front.reports.at(-1) === data, () => `${data} in the page, which has ${JSON.stringify(front.reports)}`);
}

/** The page fails to open its stream, opens it, and fails to open it again. Resolves with the last id before that. */
async function failTwice({ server, front }, status) {
  await until(() => front.streams.length > 2, `more requests after ${status}`);
  front.pass();
  await until(() => front.opened > 0, 'the page to subscribe');
  const id = await publish(server, 'before');
  await shows(front, 'before');
  const seen = front.streams.length;
  front.fail(status);
  await until(() => front.streams.length > seen + 2, `more requests after a second ${status}`);
  await publish(server, 'during');
  front.pass();
  return id;
}

describe('a page with a library around EventSource, after 502 and 503', SUITE, () => {
  for (const [library, status] of [['htmx 1', 502], ['htmx 2', 503], ['VueUse', 502]]) {
    it(`goes on after its last id with the lines for ${library}`, TEST, async (t) => {
      const visited = await visit(t, `the lines for ${library}`, status);
      const id = await failTwice(visited, status);
      await shows(visited.front, 'during');
      assert.equal(visited.front.streams.at(-1).after, id);
      assert.deepEqual(visited.front.reports, ['before', 'during']);
      assert.equal(visited.front.loads, 1, 'without a reload');
    });
  }

  for (const [library, status] of [['htmx 1', 503], ['htmx 2', 502], ['VueUse with autoReconnect', 503]]) {
    it(`comes back without its last id in ${library} alone`, TEST, async (t) => {
      const visited = await visit(t, library, status);
      const { server, front } = visited;
      await failTwice(visited, status);
      await until(() => front.opened > 1, 'the page to subscribe again');
      await publish(server, 'after');
      await shows(front, 'after');
      assert.deepEqual(front.reports, ['before', 'after'], 'what was published meanwhile is missing');
      assert.equal(front.streams.at(-1).after, null);
    });
  }

  it('stays silent in VueUse without autoReconnect', TEST, async (t) => {
    const { front } = await visit(t, 'VueUse', 503);
    await until(() => front.streams.length === 1, 'the first request');
    front.pass();
    await delay(1000);
    assert.equal(front.streams.length, 1);
  });
});
