// The counts of presence on a page of Datastar, by the line of the manual.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch, newPage } from '../clients/support/browser.mjs';
import { documented } from '../clients/support/readme.mjs';
import { request } from '../clients/support/request.mjs';
import { Server } from '../clients/support/server.mjs';
import { until } from '../clients/support/until.mjs';

const DATASTAR = fileURLToPath(new URL('../../examples/node_modules/.datastar/datastar-1.0.2.js', import.meta.url));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test('presence counts of a topic that empties and fills again are shown by a page of Datastar', async (t) => {
  const server = await Server.start(t, { args: ['--presence', 'rooms/{id}', '--presence-grace', '0s'] });
  const page = await newPage(t, browser);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const lines = await documented('docs/presence.md', 'With Datastar', 'html');
  const body = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="datastar.js"></script>${lines}`;
  await page.route(`${server.url}/room`, (route) => route.fulfill({ contentType: 'text/html', body }));
  const script = await readFile(DATASTAR, 'utf8');
  await page.route(`${server.url}/datastar.js`, (route) => route.fulfill({ contentType: 'text/javascript', body: script }));
  await page.goto(`${server.url}/room`);
  const shows = (text) => until(async () => (await page.locator('p').textContent()) === text, () => text);
  const enter = async () => {
    const leaving = new AbortController();
    const response = await fetch(`${server.url}/events?topic=rooms/1`, { signal: leaving.signal });
    assert.equal(response.status, 200);
    t.after(() => leaving.abort());
    return () => leaving.abort();
  };
  const signal = async () => (await request(`${server.url}/signals/$presence%2Frooms%2F1`)).body.trim();

  await shows('0 people are here');
  for (let round = 0; round < 2; round++) {
    const leave = [await enter(), await enter()];
    await shows('2 people are here');
    leave.forEach((one) => one());
    await shows('0 people are here');
    await until(async () => (await signal()) === '{"connections":0,"users":0}', 'the zeros');
  }
  assert.deepEqual(errors, []);
});
