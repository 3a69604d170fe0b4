// The manual's snippet for htmx 4, as it stands there, in Chromium and Firefox.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, newPage } from './support/browser.mjs';
import { visitWithFirefox } from './support/firefox.mjs';
import { Front } from './support/front.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

const HTMX = fileURLToPath(new URL('node_modules/htmx4/dist/', import.meta.url));
const MANUAL = fileURLToPath(new URL('../../docs/subscribing.md', import.meta.url));

let browser;
let html;
before(async () => {
  const [manual, htmx, sse] = await Promise.all([
    readFile(MANUAL, 'utf8'), readFile(`${HTMX}htmx.min.js`, 'utf8'), readFile(`${HTMX}ext/hx-sse.min.js`, 'utf8'),
  ]);
  const [snippet] = manual.match(/<div hx-sse:connect=.*<\/div>/);
  const report = `new MutationObserver(() => fetch('/report', { method: 'POST', body: JSON.stringify(document.querySelector('div').textContent) }))
    .observe(document.querySelector('div'), { childList: true, subtree: true, characterData: true });`;
  html = `<!doctype html><link rel=icon href="data:,"><script>${htmx}</script><script>${sse}</script>${snippet}<script>${report}</script>`;
  browser = await launch();
});
after(() => browser.close());

const visits = {
  Chromium: async (t, url) => (await newPage(t, browser)).goto(url),
  Firefox: visitWithFirefox,
};

describe('the snippet for htmx 4 in the manual', SUITE, () => {
  for (const [name, visit] of Object.entries(visits)) {
    it(`shows what is published in ${name}, and what was published while it was cut off`, TEST, async (t) => {
      const server = await Server.start(t);
      const front = await Front.start(t, server.port, html);
      await visit(t, `${front.url}/page`);
      await until(() => front.opened > 0, 'the page to subscribe', 40_000);
      const shows = (text) => until(() => front.reports.at(-1) === text, () => `${text}, after ${JSON.stringify(front.reports)}`, 40_000);
      await server.publish({ topic: 'posts', data: '<p>first</p>' });
      await shows('first');
      await front.refuse();
      await server.publish({ topic: 'posts', data: '<p>second</p>' });
      await front.accept();
      await shows('second');
      assert.equal(front.loads, 1, 'without a reload');
      assert.ok(front.streams.at(-1).after, 'it resumed after its last id');
    });
  }
});
