// The page at `/` with the operator's side of the real server.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { goTo } from './support/console-page.mjs';
import { inState, signIn } from './support/console-states.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { published } from './support/sse.mjs';
import { until } from './support/until.mjs';

const KEY = 'admin-key-of-the-test';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

async function open(t, server) {
  const page = await newPage(t, browser, { viewport: { width: 1280, height: 800 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(`${error}`));
  page.on('response', (response) => response.status() >= 400 && errors.push(`${response.status()} ${response.url()}`));
  await page.goto(`${server.url}/`);
  await inState(page, 'open');
  return { page, errors };
}

async function openAsOperator(t, args = []) {
  const server = await Server.start(t, { args: ['--admin-key', KEY, ...args] });
  const { page, errors } = await open(t, server);
  await signIn(page, KEY);
  await page.locator('#nodes-table td').first().waitFor();
  await inState(page, 'open');
  return { server, page, errors };
}

describe('the page of a real server', SUITE, () => {
  it('has each of its files', TEST, async (t) => {
    const server = await Server.start(t);
    const files = await readdir(new URL('../../crates/server/src/http/routes/page/', import.meta.url));
    const paths = files.map((name) => ({ 'index.html': '/', 'page.css': '/page.css', 'page.js': '/page.js' })[name] ?? `/page/${name}`);
    for (const path of paths) assert.equal((await request(`${server.url}${path}`)).status, 200, path);
  });
});

describe('the operator of a real server', { ...SUITE, concurrency: 4 }, () => {
  it('has its figures, its history and its node', TEST, async (t) => {
    const { server, page, errors } = await openAsOperator(t);
    await server.subscribe('?topic=orders');
    await server.publish({ topic: 'orders', data: 'one' });
    const figure = (title) => page.locator(`.chart:has(h3:text-is("${title}")) .figure`).innerText();
    await until(async () => await figure('Subscribers') === '2', 'the page and the subscriber to be counted');
    assert.match(await figure('Memory'), /MiB/);
    await page.locator('#history-state:has-text("in memory")').waitFor();
    await page.locator('#history-events-text:has-text("1 of")').waitFor();
    assert.match(await page.innerText('#server-facts'), /\d+\.\d+\.\d+/);
    // One is that of the dialog, which asks whether there is a key at all.
    assert.deepEqual(errors.filter((error) => !error.startsWith('401 ')), []);
  });

  it('sees topics with their subscribers, and connections, and disconnects one', TEST, async (t) => {
    const { server, page } = await openAsOperator(t);
    const { events } = await server.subscribe('?topic=orders');
    await server.publish({ topic: 'orders', data: 'one' });
    await goTo(page, 'topics');
    await page.locator('#topics-table tr:has-text("orders") td[data-label="Subscribers"]:text-is("1")').waitFor();
    await goTo(page, 'connections');
    await page.fill('#connections-topic', 'orders');
    const row = page.locator('#connections-table tbody tr:has(td[data-label="Topics"]:text-is("orders"))');
    await row.locator('td[data-label="Sent up to"]:not(:text("nothing yet"))').waitFor();
    await row.getByText('Disconnect').click();
    await page.click('#disconnect-confirm');
    await row.waitFor({ state: 'detached' });
    assert.equal(published(events).filter(({ event }) => event === 'message').length, 1);
  });

  it('learns why a subscriber did not get an event', TEST, async (t) => {
    const { server, page } = await openAsOperator(t);
    await server.subscribe('?topic=orders');
    const missed = await server.publish({ topic: 'news', data: 'of another topic' });
    const sent = await server.publish({ topic: 'orders', data: 'of its topic' });
    await goTo(page, 'explain');
    await page.locator('#explain-connections label:has(.data:text-is("orders"))').click();
    const outcome = async (event, expected) => {
      await page.fill('#explain-event', event);
      await page.click('#explain-form > .primary');
      await page.locator(`#explain-outcome:has-text("${expected}")`).waitFor();
    };
    await outcome(missed, 'does not select it');
    await outcome(sent, 'It was sent');
    await outcome('1-1', 'History does not have it');
  });

  it('reads private events with the key, which nobody does without it', TEST, async (t) => {
    const args = ['--subscribe-access', 'private-events', '--publish-key', 'publish-key-of-the-test', '--token-key', 'HS256 0123456789abcdef0123456789abcdef'];
    const server = await Server.start(t, { args: ['--admin-key', KEY, ...args] });
    server.key = 'publish-key-of-the-test';
    const visitor = await open(t, server);
    const operator = await open(t, server);
    await signIn(operator.page, KEY);
    await operator.page.locator('#nodes-table td').first().waitFor();
    await inState(operator.page, 'open');
    await goTo(operator.page, 'events');
    await server.publish({ topic: 'news', data: 'for some', private: true });
    await server.publish({ topic: 'news', data: 'for all' });
    const event = (page, text) => page.locator(`#events li.event:has-text("${text}")`);
    await event(operator.page, 'for some').waitFor();
    await event(visitor.page, 'for all').waitFor();
    assert.equal(await event(visitor.page, 'for some').count(), 0);
    await operator.page.fill('#publish-data', 'by the operator');
    await operator.page.click('#publish');
    await event(visitor.page, 'by the operator').waitFor();
  });

  it('is refused with a wrong key, and told how to set one where there is none', TEST, async (t) => {
    const { page } = await open(t, await Server.start(t, { args: ['--admin-key', KEY] }));
    await signIn(page, 'not-the-admin-key-of-it');
    await page.locator('#sign-in-output:has-text("wrong_key")').waitFor();
    const none = await open(t, await Server.start(t));
    await none.page.click('#sign-in');
    await none.page.locator('#sign-in-setup').waitFor();
  });

  it('is signed out when the server starts again without the key', TEST, async (t) => {
    const { server, page } = await openAsOperator(t);
    const keyed = await page.evaluate(() => sessionStorage.length);
    assert.ok(keyed > 0);
    await server.kill();
    await server.startAgain(['--admin-key', 'another-key-of-the-test']);
    await page.locator('#sign-in-output:has-text("signed out")').waitFor();
  });
});
