// What is bound to a signal in a page of Datastar 1.0.2 follows it over reconnects, hidden tabs and
// restarts, in Chromium and Firefox. The text of the elements is looked at: Datastar's signals may be
// right where what is bound to them stands still.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { launch, newPage } from '../clients/support/browser.mjs';
import { visitWithFirefox } from '../clients/support/firefox.mjs';
import { SUITE, TEST } from '../clients/support/limits.mjs';
import { until } from '../clients/support/until.mjs';
import { DatastarPage } from './support/datastar-page.mjs';
import { Example } from './support/example.mjs';

const BODY = `<body data-signals="{own: 'kept', votes: {}}"
  data-init="@get('/signals?name=count&name=votes&name=none&format=datastar', {retry: 'always', retryInterval: 50, retryMaxWait: 200, retryMaxCount: 1000})">
<b id="count" data-text="$count.value"></b>
<b id="tea" data-text="$votes.tea"></b>
<b id="juice" data-text="$votes.juice"></b>
<b id="names" data-text="Object.keys($votes).sort().join()"></b>
<b id="own" data-text="$own"></b>`;

const visits = {
  Chromium: async (t, url) => (await newPage(t, browser)).goto(url),
  Firefox: visitWithFirefox,
};
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

async function merge(example, name, patch) {
  const headers = { 'content-type': 'application/merge-patch+json' };
  const { status } = await fetch(`${example.url}/signals/${name}`, { method: 'PATCH', headers, body: JSON.stringify(patch) });
  assert.equal(status, 200);
}

async function begin(t, visit) {
  const example = await Example.start(t, 'counter', () => ['--no-count']);
  const page = await DatastarPage.start(t, example.port, BODY);
  await visit(t, page.url);
  const shows = (what, expected) => until(
    () => isDeepStrictEqual({ ...page.texts, ...expected, own: 'kept' }, page.texts),
    () => `${JSON.stringify(expected)} ${what}, while the page shows ${JSON.stringify(page.texts)}`,
    40_000,
  );
  await shows('from the start', { count: '0', tea: '0', juice: '' });
  return { example, page, shows };
}

describe('what a page of Datastar shows', SUITE, () => {
  for (const [name, visit] of Object.entries(visits)) {
    it(`follows a signal over reconnects in ${name}`, TEST, async (t) => {
      const { example, page, shows } = await begin(t, visit);
      for (const value of [2, 5, 8]) {
        const streams = page.streams.length;
        page.cut();
        await merge(example, 'count', { value });
        await merge(example, 'votes', { tea: value, [`gone-${value}`]: 1 });
        await until(() => page.streams.length > streams && page.open > 0, 'the page to come back');
        await shows('behind a cut', { count: `${value}`, tea: `${value}` });
        await merge(example, 'count', { value: value + 1 });
        await merge(example, 'votes', { [`gone-${value}`]: null });
        await shows('of a change behind a cut', { count: `${value + 1}` });
      }
      assert.ok(page.streams.slice(1).every(Boolean), 'each reconnect brings an id');
      await merge(example, 'votes', { juice: 4 });
      await shows('of a member that was not there before', { juice: '4', names: 'coffee,juice,tea,water' });
      assert.deepEqual(page.errors, []);
    });

    it(`follows a signal in ${name} when its tab was hidden, and loses what was removed meanwhile`, TEST, async (t) => {
      const { example, page, shows } = await begin(t, visit);
      for (const value of [2, 5]) {
        page.hide();
        await until(() => page.isHidden && page.open === 0, 'the hidden page to close its stream');
        await merge(example, 'count', { value });
        // Removed, and there again; removed for good; and one that comes.
        await merge(example, 'votes', { tea: null, water: null });
        await merge(example, 'votes', { tea: value });
        page.show();
        await until(() => page.open > 0, 'the page to come back');
        await shows('behind a hidden tab', { count: `${value}`, tea: `${value}`, names: 'coffee,juice,tea' });
        await merge(example, 'count', { value: value + 1 });
        await merge(example, 'votes', { tea: value + 1, water: 1 });
        await shows('of a change behind it', { count: `${value + 1}`, tea: `${value + 1}` });
      }
      await merge(example, 'votes', { juice: 4 });
      await shows('of a member that was not there before', { juice: '4' });
      assert.deepEqual(page.errors, []);
    });

    it(`follows a signal in ${name} when its server restarted, with its log and with an empty one`, TEST, async (t) => {
      const { example, page, shows } = await begin(t, visit);
      await merge(example, 'count', { value: 3 });
      await merge(example, 'votes', { tea: 3, juice: 1 });
      await shows('of a change', { count: '3', tea: '3', juice: '1' });
      await example.kill();
      await example.startAgain();
      await merge(example, 'votes', { water: null });
      await merge(example, 'count', { value: 4 });
      await shows('behind a restart', { count: '4', tea: '3', juice: '1', names: 'coffee,juice,tea' });

      await example.kill();
      await rm(join(example.directory), { recursive: true });
      await example.startAgain();
      await shows('of the new log', { count: '0', tea: '0' });
      await merge(example, 'count', { value: 9 });
      await merge(example, 'votes', { tea: 9 });
      await shows('of a change in the new log', { count: '9', tea: '9' });
      assert.deepEqual(page.errors, []);
    });
  }
});
