// Presence in a real browser: tabs, reloads, and the count on a page.
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';

import { launch, newContext } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { documented } from './support/readme.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

describe('presence', SUITE, () => {
  it('is shown by the lines of the manual, and a reload and the end of one of two tabs change it as they should', TEST, async (t) => {
    const lines = await documented('docs/presence.md', 'How many', 'html');
    const body = `<!doctype html><link rel=icon href="data:,">${lines}
      <script>new EventSource('/events?topic=rooms/1')</script>`;
    // A reload may take some seconds on a busy machine.
    const args = ['--presence', 'rooms/{id}', '--presence-grace', '15s'];
    const server = await Server.start(t, { args });
    const context = await newContext(t, browser);
    await context.route(`${server.url}/room`, (route) => route.fulfill({ contentType: 'text/html', body }));
    const tab = await context.newPage();
    await tab.goto(`${server.url}/room`);
    const shown = () => tab.locator('#here').textContent();
    await until(async () => (await shown()) === '1', 'one is here');
    const other = await context.newPage();
    await other.goto(`${server.url}/room`);
    await until(async () => (await shown()) === '2', 'two are here');

    const version = async () => (await request(`${server.url}/signals/$presence%2Frooms%2F1`)).headers.etag;
    const before = await version();
    for (let reload = 0; reload < 10; reload++) {
      await other.reload();
      await until(async () => (await other.locator('#here').textContent()) === '2', 'the count behind a reload');
    }
    assert.equal(await version(), before);
    assert.equal(await shown(), '2');
    await other.close();
    await until(async () => (await shown()) === '1', 'one has left', 60_000);
  });
});
