// Compressed streams in browsers: each event is there at once, and a dictionary is used once the browser has it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { visitWithFirefox } from './support/firefox.mjs';
import { Front } from './support/front.mjs';
import { SUITE } from './support/limits.mjs';
import { REPORT } from './support/report.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

/** Firefox starts slowly on a busy machine. */
const START_MS = 60_000;
/** A dictionary is made of so many events at least. */
const SAMPLES = 16;

/** A page that reports the data of each event and where it would resume. */
const page = (head = '') => `<!doctype html><link rel=icon href="data:,">${head}<script type=module>${REPORT}
  const source = new EventSource('/events?topic=prices');
  source.addEventListener('connected', () => report('open' + location.search));
  source.onmessage = ({ data, lastEventId }) => report([data, lastEventId]);</script>`;

const price = (n) => JSON.stringify({
  symbol: `SHARE${n % 7}`, price: 100 + n, change: -n / 10, volume: 7_919 * n, time: `2026-01-31T12:00:${10 + (n % 50)}.123Z`,
});
const fragment = (n) => Array.from({ length: 30 }, (_, row) => `<tr id="row-${row}"><td>Share ${row}</td><td>${row * n}</td></tr>`).join('\n');
/** Short, long, with empty lines, and longer than what a socket takes at once. */
const DATA = [price(1), fragment(2), 'a\n\nb', fragment(3).repeat(300), price(4)];

/** Waits for the stream of the page with this query: a report of an earlier page may come late. */
const isOpen = (front, query = '') => until(() => front.reports.includes(`open${query}`), () => `an open stream, of ${JSON.stringify(front.reports)}`, START_MS);

/** Publishes one event after the other, each when the page has the one before. */
async function arriveOneByOne(server, front, query = '') {
  await isOpen(front, query);
  const events = () => front.reports.filter(Array.isArray);
  for (const data of DATA) {
    front.reports.length = 0;
    const id = await server.publish({ topic: 'prices', data });
    await until(() => events().length > 0, () => `the event ${data.slice(0, 60)}`);
    assert.deepEqual(events(), [[data, id]]);
  }
}

describe('a compressed stream', SUITE, () => {
  let browser;
  before(async () => { browser = await launch(); });
  after(() => browser?.close());

  /** A page of Chromium, and the codings of the streams that it opens. */
  async function chromium(t) {
    const opened = await newPage(t, browser);
    const codings = [];
    opened.on('response', async (response) => {
      if (new URL(response.url()).pathname === '/events') codings.push((await response.allHeaders())['content-encoding']);
    });
    return { opened, codings };
  }

  it('is one of gzip in Chromium, with each event at once', async (t) => {
    const server = await Server.start(t);
    const front = await Front.start(t, server.port, page());
    const { opened, codings } = await chromium(t);
    await opened.goto(`${front.url}/page`);
    await arriveOneByOne(server, front);
    assert.deepEqual(codings, ['gzip']);
  });

  it('is read by Firefox, with each event at once', async (t) => {
    const server = await Server.start(t);
    const front = await Front.start(t, server.port, page());
    await visitWithFirefox(t, `${front.url}/page`);
    await arriveOneByOne(server, front);
  });

  for (const [how, head] of [
    ['a page links', '<link rel="compression-dictionary" href="/dictionaries/current">'],
    ['/client.js links', '<script type=module src="/client.js"></script>'],
  ]) it(`is one of dcz in Chromium once it has the dictionary that ${how}`, async (t) => {
    const server = await Server.start(t);
    for (let n = 0; n < SAMPLES; n += 1) await server.publish({ topic: 'prices', data: price(n) });
    const current = () => request(`${server.url}/dictionaries/current`);
    await until(async () => (await current()).status === 200, () => 'a dictionary');
    const front = await Front.start(t, server.port, page(head));
    const { opened, codings } = await chromium(t);
    let loads = 0;
    const load = async () => {
      loads += 1;
      await opened.goto(`${front.url}/page?${loads}`);
      await isOpen(front, `?${loads}`);
    };
    // The first stream may be open before the dictionary is there.
    await until(async () => {
      await load();
      return codings.at(-1) === 'dcz';
    }, () => `a stream of dcz, after ${codings}`);
    await load();
    await arriveOneByOne(server, front, `?${loads}`);
    assert.equal(codings.at(-1), 'dcz');
  });

  it('is one of dcz on the page at /, which announces the dictionary', async (t) => {
    const server = await Server.start(t);
    for (let n = 0; n < SAMPLES; n += 1) await server.publish({ topic: 'prices', data: price(n) });
    const link = async () => (await request(`${server.url}/`)).headers.link;
    const announced = await until(link, () => 'a link to a dictionary');
    const [, name] = announced.match(/^<dictionaries\/([0-9a-f]{64})>; rel="compression-dictionary"/);
    const dictionary = await request(`${server.url}/dictionaries/${name}`);
    assert.equal(dictionary.headers['use-as-dictionary'], 'match="/events*"');
    assert.match(dictionary.headers['cache-control'], /immutable/);
    assert.match(dictionary.body, /SHARE/);
  });
});
