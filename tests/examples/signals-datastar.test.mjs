import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { launch, newPage } from '../clients/support/browser.mjs';
import { until } from '../clients/support/until.mjs';
import { Example } from './support/example.mjs';

const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="module" src="/lib/datastar-1.0.2.js"></script>
<body data-signals="{own: 'kept', votes: {stale: 1}}"
  data-init="@get('/signals?name=count&name=votes&format=datastar', {retry: 'always', retryInterval: 100})">
<b id="count" data-text="$count.value"></b>
<pre id="signals" data-json-signals></pre>`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

test('a page of Datastar has the same state, and loses what is gone, over a cut too', async (t) => {
  const example = await Example.start(t, 'counter', () => ['--no-count']);
  const merge = async (name, patch) => {
    const headers = { 'content-type': 'application/merge-patch+json' };
    const answer = await fetch(`${example.url}/signals/${name}`, { method: 'PATCH', headers, body: JSON.stringify(patch) });
    assert.equal(answer.status, 200);
  };
  const page = await newPage(t, browser);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.route(`${example.url}/datastar`, (route) => route.fulfill({ contentType: 'text/html', body: PAGE }));
  await page.goto(`${example.url}/datastar`);
  const signals = async () => {
    const text = await page.locator('#signals').textContent();
    return text ? JSON.parse(text) : {};
  };
  let held;
  const holds = (what, expected) => until(async () => {
    held = await signals();
    return held.own === 'kept' && isDeepStrictEqual(held.votes, expected);
  }, () => `${what}, while the page holds ${JSON.stringify(held)}`);

  await holds('the state, without what the page had made up', { coffee: 0, tea: 0, water: 0 });
  await merge('votes', { tea: 3, water: null });
  await holds('a change', { coffee: 0, tea: 3 });
  await merge('count', { value: 7 });
  await until(async () => (await page.locator('#count').textContent()) === '7', 'the count');

  await example.kill();
  await example.startAgain();
  // Perhaps before the page is back.
  await merge('votes', { coffee: null, juice: { apple: 1 } });
  await holds('the state behind a restart', { juice: { apple: 1 }, tea: 3 });
  await merge('votes', { juice: null });
  await holds('a change behind a restart', { tea: 3 });
  assert.deepEqual(errors, []);
});
