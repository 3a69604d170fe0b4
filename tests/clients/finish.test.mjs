// Finished topics in browsers: the end of a stream after which nobody reconnects.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { visitWithFirefox } from './support/firefox.mjs';
import { Front } from './support/front.mjs';
import { SUITE } from './support/limits.mjs';
import { request } from './support/request.mjs';
import { REPORT } from './support/report.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

/** Firefox starts slowly on a busy machine. */
const START_MS = 60_000;

const EVENT_SOURCE = `${REPORT}
  const source = new EventSource('/events?topic=job%2F17');
  source.addEventListener('connected', () => report('open'));
  source.addEventListener('finished', ({ data }) => report(data));
  source.onerror = () => source.readyState === EventSource.CLOSED && report('closed');`;
const CLIENT = `${REPORT}
  import { subscribe } from '/client.js';
  subscribe({ topics: ['job/17'], onEvent: ({ data }) => report(data), onState: report });`;

const page = (script) => `<!doctype html><link rel=icon href="data:,"><script type=module>${script}</script>`;

/** Finishes the topic of a page that has opened its stream; the page then is to report `last`. */
async function finishes(t, script, visit, last) {
  const server = await Server.start(t);
  const front = await Front.start(t, server.port, page(script));
  await visit(`${front.url}/page`);
  await until(() => front.reports.includes('open'), () => `an open stream, of ${JSON.stringify(front.reports)}`, START_MS);
  await request(`${server.url}/topics/job/17/finish`, { method: 'POST', body: 'done' });
  await until(() => front.reports.at(-1) === last, () => `${last} at the end of ${JSON.stringify(front.reports)}`, START_MS);
  assert.equal(front.reports.filter((report) => report === 'done').length, 1, JSON.stringify(front.reports));
}

describe('a finished topic', SUITE, () => {
  let browser;
  before(async () => { browser = await launch(); });
  after(() => browser?.close());

  const visitWithChromium = (t) => async (url) => (await newPage(t, browser)).goto(url);

  it('ends an EventSource of Chromium for good', (t) => finishes(t, EVENT_SOURCE, visitWithChromium(t), 'closed'));

  it('ends an EventSource of Firefox for good', (t) => finishes(t, EVENT_SOURCE, (url) => visitWithFirefox(t, url), 'closed'));

  it('is the end of a subscription of the browser client', (t) => finishes(t, CLIENT, visitWithChromium(t), 'finished'));
});
