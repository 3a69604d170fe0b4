// The page at `/`, used as a person does.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { launch, newPage } from './support/browser.mjs';
import { Front } from './support/front.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Nginx } from './support/nginx.mjs';
import { hasExited, start } from './support/process.mjs';
import { Proxy } from './support/proxy.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { published } from './support/sse.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const WIDTHS = [1280, 380];
const LONG = 'x'.repeat(400);

/** Opens the server's page at `url`; `errors` collects all that the browser complains of. */
async function openPage(t, url, { width = 1280 } = {}) {
  const page = await newPage(t, browser, { viewport: { width, height: 800 } });
  const errors = [];
  const requests = [];
  page.on('pageerror', (error) => errors.push(`${error}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  page.on('request', (request) => requests.push(request.url()));
  await page.exposeFunction('violated', (directive) => {
    errors.push(`violates ${directive}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => violated(event.effectiveDirective));
  });
  const response = await page.goto(url);
  await state(page, 'open');
  return { page, errors, requests, response };
}

const state = (page, name) => page.locator(`#connection[data-state=${name}]`).waitFor();

const row = (page, text) => page.locator('#events li.event').filter({ hasText: text });

async function publish(page, { data, topic = '', event = '', key }) {
  await page.fill('#publish-topic', topic);
  await page.fill('#publish-event', event);
  await page.fill('#publish-data', data);
  if (key !== undefined) await page.fill('#publish-key', key);
  await page.click('#publish');
  await page.locator('#publish-output:not([data-kind=busy])').waitFor();
  return page.getAttribute('#publish-output', 'data-kind');
}

const overflow = (page) => page.evaluate(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  return scrollWidth - clientWidth;
});

describe('the page', { ...SUITE, concurrency: 4 }, () => {
  for (const width of WIDTHS) {
    it(`shows what others publish, and publishes itself, ${width} pixels wide`, TEST, async (t) => {
      const server = await Server.start(t);
      const listener = await server.subscribe('?topic=*');
      const { page, errors, requests } = await openPage(t, `${server.url}/`, { width });
      assert.equal(await overflow(page), 0);

      const id = await server.publish({ topic: 'news', event: 'headline', data: 'Grüße <b>to</b>\nall' });
      const shown = row(page, 'Grüße <b>to</b>');
      await shown.waitFor();
      const text = await shown.innerText();
      for (const part of [id, 'news', 'headline', 'Grüße <b>to</b>\nall']) {
        assert.ok(text.includes(part), `the row has ${JSON.stringify(part)}: ${text}`);
      }

      assert.equal(await publish(page, { data: 'from the page', topic: 'chat', event: 'said' }), 'done');
      await row(page, 'from the page').waitFor();
      await until(() => published(listener.events).length === 2, 'what the page published');
      const { event, data } = published(listener.events)[1];
      assert.deepEqual({ event, data }, { event: 'said', data: 'from the page' });

      await server.publish({ topic: LONG.slice(0, 60), event: LONG.slice(0, 60), data: LONG });
      await row(page, LONG).waitFor();
      assert.equal(await overflow(page), 0, 'long words do not widen it');

      assert.deepEqual(errors, []);
      assert.deepEqual(requests.filter((url) => !url.startsWith(`${server.url}/`) && !url.startsWith('data:')), []);
    });

    it(`publishes with the key and not without it, ${width} pixels wide`, TEST, async (t) => {
      const server = await Server.start(t, { key: 'correct-horse-battery' });
      const listener = await server.subscribe('?topic=*');
      const { page, errors } = await openPage(t, `${server.url}/`, { width });

      assert.equal(await publish(page, { data: 'without' }), 'failed');
      assert.equal(await publish(page, { data: 'wrong', key: 'battery-staple' }), 'failed');
      assert.equal(await overflow(page), 0, 'a refusal does not widen it');
      assert.equal(await publish(page, { data: 'with', key: 'correct-horse-battery' }), 'done');
      await row(page, 'with').waitFor();
      await until(() => published(listener.events).length > 0, 'what the page published');
      assert.deepEqual(published(listener.events).map(({ data }) => data), ['with']);

      const kept = await page.evaluate(() => JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }]));
      assert.ok(!kept.includes('correct-horse-battery'), 'the key is kept in memory alone');
      assert.deepEqual(errors.filter((error) => !/status of 401/.test(error)), []);
    });
  }

  it('runs no script from an event, and has a policy that would stop it', TEST, async (t) => {
    const server = await Server.start(t);
    const { page, errors, response } = await openPage(t, `${server.url}/`);
    const html = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    await server.publish({ topic: html.slice(0, 20), event: '<s>', data: html });
    await row(page, html).waitFor();
    assert.equal(await page.locator('#events :is(img, script, s)').count(), 0);
    assert.deepEqual(errors, []);

    const policy = (await response.allHeaders())['content-security-policy'];
    assert.match(policy, /default-src '(none|self)'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  });

  it('replays what was published while it had dropped its connection', TEST, async (t) => {
    const server = await Server.start(t);
    const { page } = await openPage(t, `${server.url}/`);
    await server.publish({ data: 'before' });
    await row(page, 'before').waitFor();

    // On a busy machine it would be back before that is published.
    let isPublished;
    const published = new Promise((resolve) => {
      isPublished = resolve;
    });
    await page.route('**/events?*', async (route) => {
      await published;
      await route.continue();
    });
    await page.click('#resume');
    await server.publish({ data: 'meanwhile' });
    isPublished();
    await state(page, 'open');
    await row(page, 'meanwhile').waitFor();

    assert.match(await page.innerText('#state-detail'), /1 event replayed/);
    assert.equal(await page.locator('#events li.event').count(), 2);
    assert.equal(await page.locator('#events li.gap').count(), 0);
  });

  it('says that the server is gone, comes back with it, and shows the gap', TEST, async (t) => {
    const server = await Server.start(t);
    const { page } = await openPage(t, `${server.url}/`);
    await server.publish({ data: 'before' });
    await row(page, 'before').waitFor();

    await server.kill();
    await state(page, 'lost');
    await server.startAgain();
    await server.publish({ data: 'after' });
    await row(page, 'after').waitFor();

    await state(page, 'open');
    assert.equal(await page.locator('#events li.gap').count(), 1);
    assert.equal(await page.locator('#events li.event').count(), 2);
  });

  it('shows the first events of a phone without scrolling', TEST, async (t) => {
    const server = await Server.start(t);
    const { page } = await openPage(t, `${server.url}/`, { width: 390 });
    for (const data of ['first', 'second', 'third']) await server.publish({ data });
    await row(page, 'first').waitFor();
    const { y, height } = await row(page, 'first').boundingBox();
    assert.ok(y + height < 800, `the third newest event ends ${y + height} pixels below the top of 800`);
    await page.locator('#publish').scrollIntoViewIfNeeded();
    assert.equal(await overflow(page), 0);
  });

  it('has its topics, its start, its rows and its draft again after a reload, each event once', TEST, async (t) => {
    const server = await Server.start(t);
    const { page } = await openPage(t, `${server.url}/`);
    await page.fill('#topics', 'news, sport');
    await page.click('#connect');
    await state(page, 'open');
    await server.publish({ topic: 'news', data: 'one' });
    await server.publish({ topic: 'other', data: 'of another topic' });
    await server.publish({ topic: 'sport', data: 'two' });
    await row(page, 'two').waitFor();
    await page.fill('#publish-topic', 'chat');
    await page.fill('#publish-data', 'not sent yet');

    for (const time of ['once', 'and once more']) {
      await page.reload();
      await state(page, 'open');
      await row(page, 'two').waitFor();
      assert.equal(await page.locator('#events li.event').count(), 2, time);
      assert.equal(await page.inputValue('#topics'), 'news, sport');
      assert.equal(await page.inputValue('#publish-topic'), 'chat');
      assert.equal(await page.inputValue('#publish-data'), 'not sent yet');
    }
    await server.publish({ topic: 'news', data: 'three' });
    await row(page, 'three').waitFor();
    assert.equal(await page.locator('#events li').filter({ hasText: /replayed|Listening/ }).count(), 1);
  });

  it('listens to the topics of its own address, from where that begins', TEST, async (t) => {
    const server = await Server.start(t);
    await server.publish({ topic: 'a,b', data: 'with a comma' });
    await server.publish({ topic: 'c', data: 'of the past' });
    await server.publish({ topic: 'd', data: 'not asked for' });
    const { page } = await openPage(t, `${server.url}/?topic=a,b&topic=c&last=10`);
    await row(page, 'of the past').waitFor();
    assert.equal(await page.locator('#events li.event').count(), 2);
    assert.equal(await page.inputValue('#topics'), '"a,b", c');
    assert.equal(await page.inputValue('#start-last'), '10');

    await page.click('#connect');
    await state(page, 'open');
    await row(page, 'of the past').waitFor();
    assert.equal(await page.locator('#events li.event').count(), 2, 'no event twice after connecting again');
  });

  it('gives lines for a terminal that do what its forms do', TEST, async (t) => {
    const server = await Server.start(t, { key: 'correct-horse-battery' });
    const { page } = await openPage(t, `${server.url}/?topic=it's&topic=b c`);
    const env = { PATH: process.env.PATH, KEY: 'correct-horse-battery', no_proxy: '*' };
    const line = async (id) => (await page.locator(`#${id}`).textContent());
    await page.fill('#publish-topic', '"b c", x');
    await page.fill('#publish-event', 'said');
    await until(async () => (await line('curl-publish')).includes('$KEY'), 'the line with a key');
    const listener = await start(t, 'sh', ['-c', `exec ${await line('curl-subscribe')}`], { env });
    let heard = '';
    listener.stdout.setEncoding('utf8').on('data', (text) => {
      heard += text;
    });
    await until(() => heard.includes('event: connected'), 'the line that listens to connect');
    const publisher = await start(t, 'sh', ['-c', `exec ${await line('curl-publish')}`], { env });
    await until(() => /event: said\n/.test(heard) && /data: hello\n/.test(heard), () => `the published event, in ${heard}`);
    await until(() => hasExited(publisher), 'the line that publishes to end');
  });

  it('separates the topics of both forms alike, by commas and spaces outside of quotes', TEST, async (t) => {
    const server = await Server.start(t);
    const { events } = await server.subscribe('?topic=*&format=json');
    const { page } = await openPage(t, `${server.url}/`);
    await page.fill('#topics', 'a, "b, c"');
    await page.click('#connect');
    await state(page, 'open');
    assert.equal(await publish(page, { topic: 'a, d', data: 'one' }), 'done');
    assert.equal(await publish(page, { topic: '"b, c"', data: 'two' }), 'done');
    await row(page, 'two').waitFor();
    assert.equal(await page.locator('#events li.event').count(), 2);
    assert.deepEqual(published(events).map(({ data }) => JSON.parse(data).topics), [['a', 'd'], ['b, c']]);
  });

  it('shows before it is used that its form cannot publish, or needs a key', TEST, async (t) => {
    const off = await openPage(t, `${(await Server.start(t, { args: ['--no-publish'] })).url}/`);
    await off.page.locator('#publish-notice').waitFor();
    assert.match(await off.page.innerText('#publish-notice'), /may not publish.*publishing_disabled/s);
    assert.ok(await off.page.isDisabled('#publish'));

    const keyed = await openPage(t, `${(await Server.start(t, { key: 'correct-horse-battery' })).url}/`);
    await until(async () => /requires/.test(await keyed.page.innerText('#publish-key-label')), 'the key to be required');
    assert.ok(await keyed.page.isEnabled('#publish'));

    const open = await openPage(t, `${(await Server.start(t)).url}/`);
    await open.page.locator('#publish-key').waitFor({ state: 'hidden' });
    assert.ok(await open.page.isHidden('#publish-notice'));
  });

  it('shows the signals, as they are and as they change', TEST, async (t) => {
    const server = await Server.start(t);
    const put = (name, document) => request(`${server.url}/signals/${name}`, {
      method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(document),
    });
    const rows = new Array(50).fill('unchanged');
    await put('counter', { value: 1, rows });
    const { page, errors } = await openPage(t, `${server.url}/`);
    assert.match(await page.innerText('#topics-hint'), /Signals/);
    await page.click('nav a[href="#/signals"]');
    const signal = (text) => page.locator('#signal-list li').filter({ hasText: text }).waitFor();
    await signal('"value": 1');
    await put('counter', { value: 2, rows });
    await signal('"value": 2');
    await put('later', { name: 'new' });
    await signal('"name": "new"');
    await request(`${server.url}/signals/counter`, { method: 'DELETE' });
    await until(async () => await page.locator('#signal-list li').count() === 1, 'the deleted signal to be gone');
    assert.deepEqual(errors, []);
  });

  it('shows that its connection is dead, opens another, and has all that it missed', TEST, async (t) => {
    const server = await Server.start(t);
    const proxy = await Proxy.start(t, server.port);
    const { page, requests } = await openPage(t, `${proxy.url}/`);
    const streams = () => requests.filter((url) => url.includes('/events?')).length;
    await server.publish({ data: 'before' });
    await row(page, 'before').waitFor();
    proxy.swallow();
    await server.publish({ data: 'never arrived' });
    await until(() => streams() === 2, 'the page to open another connection');
    // Chromium may have taken an idle connection for it, which is as dead.
    proxy.reset();
    await row(page, 'never arrived').waitFor();
    await state(page, 'open');
    assert.equal(await page.locator('#events li.event').count(), 2);
  });

  it('stays on a quiet stream, of which nothing comes but heartbeats', TEST, async (t) => {
    const server = await Server.start(t);
    const { page, requests } = await openPage(t, `${server.url}/`);
    await delay(15_000);
    await state(page, 'open');
    assert.equal(requests.filter((url) => url.includes('/events?')).length, 1);
    assert.equal(await page.locator('#events li.event').count(), 0);
  });

  it('reopens a stream that the browser gave up after a 503, and shows why the server rejected one', TEST, async (t) => {
    const server = await Server.start(t);
    const front = await Front.start(t, server.port);
    const { page } = await openPage(t, `${front.url}/`);
    await server.publish({ data: 'before' });
    await row(page, 'before').waitFor();
    front.fail(503);
    await state(page, 'lost');
    await until(() => front.streams.filter(({ status }) => status === 503).length > 2, 'the page to try again');
    await server.publish({ data: 'meanwhile' });
    front.pass();
    await row(page, 'meanwhile').waitFor();
    assert.equal(await page.locator('#events li.event').count(), 2);

    await page.check('input[name=start][value=since]', { force: true });
    await page.fill('#start-since', 'never');
    await page.click('#connect');
    await state(page, 'stopped');
    await until(async () => /invalid_since/.test(await page.innerText('#state-detail')), 'the reason');
  });

  it('works under a path of a server in front', TEST, async (t) => {
    const server = await Server.start(t, { key: 'correct-horse-battery' });
    const nginx = await Nginx.start(t, `location /deep/down/ { proxy_pass http://127.0.0.1:${server.port}/; }`);
    const { page, errors } = await openPage(t, `${nginx.url}/deep/down/`);
    assert.equal(await publish(page, { data: 'through a path', key: 'correct-horse-battery' }), 'done');
    await row(page, 'through a path').waitFor();
    assert.deepEqual(errors, []);
  });
});
