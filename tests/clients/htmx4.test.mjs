// The manual's snippets for htmx 4, as they stand there, in Chromium and Firefox.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { launch, newPage } from './support/browser.mjs';
import { visitWithFirefox } from './support/firefox.mjs';
import { Front } from './support/front.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { documented } from './support/readme.mjs';
import { REPORT } from './support/report.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

const HTMX = fileURLToPath(new URL('node_modules/htmx4/dist/', import.meta.url));
const MANUAL = fileURLToPath(new URL('../../docs/subscribing.md', import.meta.url));

let browser;
let pageOf;
let snippet;
let fullSnippet;
before(async () => {
  const [manual, htmx, sse, documentedSnippet] = await Promise.all([
    readFile(MANUAL, 'utf8'), readFile(`${HTMX}htmx.min.js`, 'utf8'), readFile(`${HTMX}ext/hx-sse.min.js`, 'utf8'),
    documented('docs/clients/htmx.md', 'htmx 4', 'html'),
  ]);
  [snippet] = manual.match(/<div hx-sse:connect=.*<\/div>/);
  fullSnippet = documentedSnippet;
  const observer = `${REPORT}
  new MutationObserver(() => {
    const shown = [...document.querySelectorAll('div')].map((element) => element.textContent).join();
    report(shown);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });`;
  pageOf = (body) => `<!doctype html><link rel=icon href="data:,"><script>${htmx}</script><script>${sse}</script><body>${body}<script>${observer}</script>`;
  browser = await launch();
});
after(() => browser.close());

const visits = {
  Chromium: async (t, url) => (await newPage(t, browser)).goto(url),
  Firefox: visitWithFirefox,
};

async function shows(front, text, timeout = 40_000) {
  await until(() => front.reports.at(-1) === text, () => `${text}, after ${JSON.stringify(front.reports)}`, timeout);
}

describe('the snippets for htmx 4 in the manual', SUITE, () => {
  for (const [name, visit] of Object.entries(visits)) {
    it(`show what is published in ${name}, and what was published while the page was cut off`, TEST, async (t) => {
      const server = await Server.start(t);
      const front = await Front.start(t, server.port, pageOf(snippet));
      await visit(t, `${front.url}/page`);
      await until(() => front.opened > 0, 'the page to subscribe', 40_000);
      await server.publish({ topic: 'posts', data: '<p>first</p>' });
      await shows(front, 'first');
      await front.refuse();
      await server.publish({ topic: 'posts', data: '<p>second</p>' });
      await front.accept();
      await shows(front, 'second');
      assert.equal(front.loads, 1, 'without a reload');
      assert.ok(front.streams.at(-1).after, 'it resumed after its last id');
    });

    it(`open equal streams at once after first requests that failed, in ${name}`, TEST, async (t) => {
      const server = await Server.start(t);
      const front = await Front.start(t, server.port, pageOf(fullSnippet.repeat(2)));
      front.fail(502);
      await visit(t, `${front.url}/page`);
      await until(() => front.streams.length > 3, 'the page to ask again', 40_000);
      front.pass();
      // Firefox lets the second of two equal requests wait for 20 s where the first may be cached.
      await until(() => front.opened === 2, 'both to subscribe', 15_000);
      await server.publish({ topic: 'news', data: '<p>first</p>' });
      await shows(front, 'first,first');
      assert.deepEqual(front.reports.filter((report) => report.includes('gateway')), []);
      const seen = front.streams.length;
      await front.refuse();
      await server.publish({ topic: 'news', data: '<p>second</p>' });
      await front.accept();
      await shows(front, 'second,second');
      assert.ok(front.streams.slice(seen).every(({ after }) => after), 'both resumed after their last id');
    });
  }

  it('are needed: htmx 4 alone opens no stream after a first request that failed', TEST, async (t) => {
    const server = await Server.start(t);
    const front = await Front.start(t, server.port, pageOf(snippet));
    front.fail(503);
    await visits.Chromium(t, `${front.url}/page`);
    await until(() => front.streams.length === 1, 'the first request');
    front.pass();
    await delay(3_000);
    assert.equal(front.streams.length, 1);
  });
});
