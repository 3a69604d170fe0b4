// Clients of a Mercure hub: EventSource in Chromium with the cookie, and npm's eventsource with the header.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { EventSource } from 'eventsource';

import { launch, newPage } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { HUB, hub, publish, subscriber } from './support/mercure.mjs';
import { Site } from './support/site.mjs';
import { until } from './support/until.mjs';

const TOPIC = 'https://example.com/users/anna';
const QUERY = `?topic=${encodeURIComponent(TOPIC)}`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** A page of the application, with the cookie of the hub if it has a token. */
async function pageOf(t, server, site, cookie) {
  const page = await newPage(t, browser);
  if (cookie !== undefined) {
    const name = 'mercureAuthorization';
    const where = { domain: '127.0.0.1', path: HUB, httpOnly: true, sameSite: 'Strict' };
    await page.context().addCookies([{ name, value: cookie, ...where }]);
  }
  await page.goto(`http://127.0.0.1:${site.port}${site.serve('')}`);
  await page.evaluate((url) => {
    window.got = [];
    window.opened = 0;
    window.source = new EventSource(url, { withCredentials: true });
    const keep = ({ type, data, lastEventId }) => window.got.push({ type, data, lastEventId });
    window.source.onopen = () => window.opened += 1;
    window.source.onmessage = keep;
    for (const type of ['changed', 'connected', 'gap', 'position', 'expiring', 'heartbeat']) {
      window.source.addEventListener(type, keep);
    }
  }, server.url + HUB + QUERY);
  return page;
}

const opened = (page) => page.evaluate(() => window.opened);
const got = (page) => page.evaluate(() => window.got);

describe('a client of a Mercure hub', SUITE, () => {
  it('in Chromium gets private events by the cookie, and nothing of the server\'s own', TEST, async (t) => {
    const site = await Site.start(t);
    const origin = `http://127.0.0.1:${site.port}`;
    const server = await hub(t, '--mercure-anonymous', '--cors-origin', origin);
    const anna = await pageOf(t, server, site, subscriber(TOPIC));
    const nobody = await pageOf(t, server, site);
    for (const page of [anna, nobody]) await until(() => opened(page), 'the stream to open');
    const id = await publish(server, { topic: TOPIC, private: 'on', data: 'for Anna\nalone' });
    await publish(server, { topic: TOPIC, type: 'changed', id: 'own', data: 'for all' });
    const all = { type: 'changed', data: 'for all', lastEventId: 'own' };
    await until(async () => (await got(anna)).length === 2, 'both events');
    assert.deepEqual(await got(anna), [{ type: 'message', data: 'for Anna\nalone', lastEventId: id }, all]);
    await until(async () => (await got(nobody)).length === 1, 'the public event');
    assert.deepEqual(await got(nobody), [all]);
  });

  it('in Chromium misses nothing and gets nothing twice while its connections end', TEST, async (t) => {
    const site = await Site.start(t);
    const origin = `http://127.0.0.1:${site.port}`;
    const server = await hub(t, '--mercure-lifetime', '2s', '--cors-origin', origin);
    const page = await pageOf(t, server, site, subscriber(TOPIC));
    await until(() => opened(page), 'the stream to open');
    const ids = [];
    // Browsers wait for some seconds before they reconnect, unless an event says how long.
    await publish(server, { topic: TOPIC, data: 'first', retry: '50' }).then((id) => ids.push(id));
    while (await opened(page) < 4) {
      const own = ids.length % 2 === 0 ? {} : { id: `own-${ids.length}` };
      ids.push(await publish(server, { topic: TOPIC, private: 'on', data: `${ids.length}`, ...own }));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await until(async () => (await got(page)).length >= ids.length, 'all events');
    assert.deepEqual((await got(page)).map(({ lastEventId }) => lastEventId), ids);
  });

  it('of npm gets private events by the header', TEST, async (t) => {
    const server = await hub(t);
    const headers = { Authorization: `Bearer ${subscriber(TOPIC)}` };
    const withToken = (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } });
    const events = [];
    const source = new EventSource(server.url + HUB + QUERY, { fetch: withToken });
    t.after(() => source.close());
    source.onmessage = ({ data, lastEventId }) => events.push({ data, lastEventId });
    await until(() => source.readyState === EventSource.OPEN, 'the stream to open');
    const id = await publish(server, { topic: TOPIC, private: 'on', data: '{"a":1}' });
    await until(() => events.length === 1, 'the event');
    assert.deepEqual(events, [{ data: '{"a":1}', lastEventId: id }]);
  });

  it('without a token is refused, where anonymous clients may not subscribe', TEST, async (t) => {
    const server = await hub(t);
    const response = await fetch(server.url + HUB + QUERY);
    assert.equal(response.status, 401);
    assert.match(response.headers.get('www-authenticate'), /^Bearer resource_metadata="http:\/\//);
  });
});
