// Each proxy of the documents, with Debian's package and the block that stands there.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { assertExactly, gets, openClient } from './support/behaviours.mjs';
import { launch, newPage } from './support/browser.mjs';
import { browserEventSource } from './support/clients.mjs';
import { Front } from './support/front.mjs';
import { TEST } from './support/limits.mjs';
import { behind } from './support/proxies.mjs';
import { documented } from './support/readme.mjs';
import { request } from './support/request.mjs';
import { REPORT } from './support/report.mjs';
import { Server } from './support/server.mjs';
import { published, subscribe } from './support/sse.mjs';
import { until } from './support/until.mjs';
import { upload } from './support/upload.mjs';

const AWAY = 10_000;
const KEY = 'correct-horse-battery';
/** Far above a wake-up of a busy machine, half of what a delayed acknowledgement costs. */
const LATE = 100;
const KEEPS_STREAMS_COMING = ['Caddy', 'Apache', 'HAProxy', 'Varnish'];
/** How much of an upload is collected before the first line passes. */
const COLLECTED = { Apache: 16 << 10 };
const WITHOUT_SOCKETS = ['lighttpd'];
const ALL = ['nginx', ...KEEPS_STREAMS_COMING, 'lighttpd'];

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** How much later than to a subscriber without a proxy each of twenty events comes, in milliseconds. */
async function delays(t, server, url) {
  const direct = await server.subscribe();
  const proxied = await subscribe(t, `${url}/events`);
  const found = [];
  while (found.length < 20) {
    await server.publish({ data: `event ${found.length}` });
    await until(() => published(direct.events).length > found.length, 'the event without a proxy');
    const since = performance.now();
    await until(() => published(proxied.events).length > found.length, 'the event through the proxy');
    found.push(performance.now() - since);
  }
  return found.sort((a, b) => a - b);
}

describe('behind a proxy with its documented block', { concurrency: 3, timeout: 240_000 }, () => {
  for (const name of ALL) {
    it(`${name} passes events, NDJSON lines and WebSocket messages at once`, TEST, async (t) => {
      const server = await Server.start(t, { key: KEY });
      const { url } = await behind(name)(t, server);

      const late = await delays(t, server, url);
      assert.ok(late[late.length / 2] < LATE, `half of the events come less than ${LATE} ms late: ${late.map(Math.round)}`);

      const lines = await server.subscribe('?topic=lines');
      const body = upload(t, url, KEY);
      for (const data of ['x'.repeat(COLLECTED[name] ?? 0), 'line 1', 'line 2']) {
        body.write(data);
        await until(() => published(lines.events).at(-1)?.data === data, `${data} before the upload ends`);
      }
      body.write('x'.repeat(700_000));
      body.write('x'.repeat(700_000));
      body.write('last');
      assert.equal(await body.finish(), 200, 'an upload of more than 1 MiB');

      assert.equal((await request(`${url}/events`, { method: 'POST', body: 'without a key' })).status, 401);

      if (WITHOUT_SOCKETS.includes(name)) return;
      const page = await newPage(t, browser);
      // A page that really comes from there: Chromium lets no other open a socket to this machine.
      await page.goto(`${url}/nothing-is-here`);
      const received = await page.evaluate((url) => new Promise((resolve, reject) => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?topic=lines&last=1`);
        socket.onerror = () => reject(new Error('the WebSocket failed'));
        socket.onmessage = ({ data }) => JSON.parse(data).topics && resolve(JSON.parse(data).data);
      }), url);
      assert.equal(received, 'last');
    });
  }

  for (const name of KEEPS_STREAMS_COMING) {
    it(`${name} keeps an EventSource coming while the server is unreachable for 10 s: nothing is lost`, TEST, async (t) => {
      const server = await Server.start(t, { key: KEY });
      const { url, back } = await behind(name)(t, server);
      const client = await openClient(t, browserEventSource(browser), url);
      const ids = [await server.publish({ data: 'before' })];
      await gets(client, ids[0]);

      await back.refuse();
      ids.push(await server.publish({ data: 'meanwhile' }));
      const headers = { authorization: `Bearer ${KEY}`, origin: 'https://other.example' };
      const response = await until(async () => {
        const response = await request(`${url}/events`, { headers }).catch(() => undefined);
        return response?.status === 200 && response;
      }, 'the response that keeps streams coming');
      assert.equal(response.body, 'event: position\nretry: 1000\ndata: {"id":null}\n\n');
      assert.match(response.headers['access-control-allow-origin'], /^(\*|https:\/\/other\.example)$/);
      for (const [method, path] of [['POST', '/events'], ['GET', '/events/hello'], ['PUT', '/signals/x']]) {
        const { status } = await request(url + path, { method, headers });
        assert.ok(status >= 502 && status <= 504, `${method} ${path} has status ${status}`);
      }
      await delay(AWAY);
      await back.accept();
      ids.push(await server.publish({ data: 'after' }));
      await gets(client, ids[2]);
      assertExactly(client, ids);
    });
  }

  it('lighttpd responds 503 meanwhile, and the lines for a page in the manual lose nothing', TEST, async (t) => {
    const server = await Server.start(t);
    const { url, back } = await behind('lighttpd')(t, server);
    const lines = await documented('docs/subscribing.md', 'From a browser', 'js');
    const front = await Front.start(t, new URL(url).port, `<!doctype html><link rel=icon href="data:,"><script>
      ${REPORT}
      console.log = (...values) => report(values);
      </script><script>{${lines}}</script>`);
    await (await newPage(t, browser)).goto(`${front.url}/page`);
    const shows = (data) => until(() => front.reports.at(-1)?.at(-1) === data, `${data} in the page`);
    await until(() => front.opened > 0, 'the page to subscribe');
    await server.publish({ topic: 'news', data: 'before' });
    await shows('before');

    await back.refuse();
    await server.publish({ topic: 'news', data: 'meanwhile' });
    assert.equal((await request(`${url}/events`)).status, 503);
    await delay(AWAY);
    await back.accept();
    await shows('meanwhile');
    assert.deepEqual(front.reports.map((values) => values.at(-1)), ['before', 'meanwhile']);
  });
});
