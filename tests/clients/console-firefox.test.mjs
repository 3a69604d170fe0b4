// The page at `/` in Firefox: what a developer and what an operator does with it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { put } from './support/console-states.mjs';
import { DrivenPage } from './support/driven-page.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

const KEY = 'admin-key-of-the-test';
/** With the start of the browser. */
const TEST = { timeout: 180_000 };

async function openPage(t, args = []) {
  const server = await Server.start(t, { args });
  const page = await DrivenPage.openInFirefox(t, server);
  await page.shows('#state', 'Connected');
  return { server, page };
}

const goTo = (page, name) => page.click(`nav a[href="#/${name}"]`);
const choose = (page, name, value) => page.click(`input[name="${name}"][value="${value}"]`);
const document = async (server, name) => JSON.parse((await request(`${server.url}/signals/${name}`)).body);

async function hasNoErrors(page) {
  assert.ok(await page.overflow() <= 0, 'nothing is wider than the window');
  assert.deepEqual(page.errors, []);
}

describe('the console in Firefox', { timeout: 400_000 }, () => {
  it('shows live events, publishes by its form, filters, pauses and opens an event', TEST, async (t) => {
    const { server, page } = await openPage(t);
    await server.publish({ topic: 'news', event: 'headline', data: '{"weather":"rain","n":12345678901234567890}' });
    await page.shows('#events li.event', 'headline', 1);
    await page.fill('#publish-topic', 'chat, talk');
    await page.fill('#publish-data', 'hello from the form');
    await page.click('#publish');
    await page.shows('#publish-output', 'Published as');
    await page.shows('#events li.event', 'hello from the form', 1);

    for (const [filter, count] of [['rain', 1], ['topic:chat', 1], ['-rain -hello', 0], ['', 2]]) {
      await page.fill('#live-pane .filter', filter);
      await page.shows('#events li.event', '', count);
    }

    await page.click('#pause');
    await server.publish({ data: 'meanwhile' });
    await page.shows('#count', '1 waiting');
    await page.shows('#events li.event', 'meanwhile', 0);
    await page.click('#pause');
    await page.shows('#events li.event', 'meanwhile', 1);

    await page.fill('#live-pane .filter', 'headline');
    await page.shows('#events li.event', '', 1);
    await page.click('#events li.event .row');
    await page.shows('#details-data', '"n": 12345678901234567890');
    await page.press('#details', 'Escape');
    await page.shows('#details', '', 0);
    await hasNoErrors(page);
  });

  it('reconnects after the server was away, and misses nothing', TEST, async (t) => {
    const { server, page } = await openPage(t);
    await server.publish({ data: 'before' });
    await page.shows('#events li.event', 'before', 1);
    await page.refuse();
    await server.publish({ data: 'meanwhile' });
    await page.accept();
    await page.shows('#events li.event', 'meanwhile', 1);
    await page.shows('#events li.event', 'before', 1);
    await page.shows('#state', 'Connected');
    assert.deepEqual(page.errors, []);
  });

  it('searches history, and watches and edits signals', TEST, async (t) => {
    const { server, page } = await openPage(t);
    for (const topic of ['a', 'b', 'a']) await server.publish({ topic, data: `of ${topic}` });
    await goTo(page, 'history');
    await page.fill('#history-topics', 'a');
    await choose(page, 'history-start', 'since');
    await page.fill('#history-since', '1h');
    await page.click('#history-form .primary');
    await page.shows('#history-output', '2 events. That is all.');
    await page.shows('#history-events li.event', 'of a', 2);
    await choose(page, 'history-start', 'after');
    await page.fill('#history-after', '1-1');
    await page.click('#history-form .primary');
    await page.shows('#history-events li.gap', 'no longer holds', 1);

    await put(server.url, 'votes', { value: 1, kept: true });
    await goTo(page, 'signals');
    await page.shows('#signal-list li', 'votes', 1);
    await page.click('#signal-list li button');
    await page.shows('#signal-version', '-');
    await put(server.url, 'votes', { value: 2, kept: true });
    await page.shows('#signal-changes li', '/value', 1);
    await until(async () => /"value": 2/.test(await page.value('#signal-document')), 'the document as it is now');
    await page.fill('#signal-document', '{"value":3,"kept":true}');
    await page.click('#signal-review');
    await page.shows('#review-diff ins', '"value": 3', 1);
    await page.click('#review-send');
    await page.shows('#signal-output', 'Sent');
    assert.deepEqual(await document(server, 'votes'), { value: 3, kept: true });
    await hasNoErrors(page);
  });

  it('shows an operator with a key the figures, topics and connections, and why an event did not come', TEST, async (t) => {
    const { server, page } = await openPage(t, ['--admin-key', KEY]);
    await server.subscribe('?topic=orders');
    await server.publish({ topic: 'orders', data: 'one' });
    const missed = await server.publish({ topic: 'news', data: 'of another topic' });
    await page.click('#sign-in');
    await page.fill('#sign-in-key', KEY);
    await page.click('#sign-in-form .primary');
    await page.shows('#nodes-table td');
    await page.shows('#history-events-text', '2 of');
    await page.shows('.chart .figure');
    await page.shows('#state', 'Connected');
    await hasNoErrors(page);

    await goTo(page, 'topics');
    await page.shows('#topics-table td.name', 'orders', 1);
    await page.click('#topics-table td.name button');
    await page.shows('#topic-last code');
    await goTo(page, 'explain');
    await page.fill('#explain-event', missed);
    await page.shows('#explain-connections label', 'orders', 1);
    await page.click('#explain-connections label', 'orders');
    await page.shows('#explain-outcome', 'does not select it');
    await goTo(page, 'connections');
    await page.fill('#connections-topic', 'orders');
    await page.shows('#connections-table tbody tr', 'orders');
    await hasNoErrors(page);

    // The stream that the key opened, which no EventSource reads.
    await goTo(page, 'events');
    await server.publish({ topic: 'orders', data: 'with the key' });
    await page.shows('#events li.event', 'with the key', 1);
    await page.click('#sign-out');
    await page.shows('#sign-in');
    await page.shows('#nav a', 'Overview', 0);
    await hasNoErrors(page);
  });
});
