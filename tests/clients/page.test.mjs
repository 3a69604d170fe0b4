// The page at `/`, used as a person does.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Nginx } from './support/nginx.mjs';
import { freePort } from './support/ports.mjs';
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

describe('the page', SUITE, () => {
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

    await page.click('#resume');
    await state(page, 'dropped');
    await server.publish({ data: 'meanwhile' });
    await state(page, 'open');
    await row(page, 'meanwhile').waitFor();

    assert.match(await page.innerText('#state-detail'), /1 event replayed/);
    assert.equal(await page.locator('#events li.event').count(), 2);
    assert.equal(await page.locator('#events li.gap').count(), 0);
  });

  it('says that the server is gone, comes back with it, and shows the gap', TEST, async (t) => {
    const server = await Server.start(t, { listen: `127.0.0.1:${await freePort()}` });
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

  it('works under a path of a server in front', TEST, async (t) => {
    const server = await Server.start(t, { key: 'correct-horse-battery' });
    const nginx = await Nginx.start(t, `location /deep/down/ { proxy_pass http://127.0.0.1:${server.port}/; }`);
    const { page, errors } = await openPage(t, `${nginx.url}/deep/down/`);
    assert.equal(await publish(page, { data: 'through a path', key: 'correct-horse-battery' }), 'done');
    await row(page, 'through a path').waitFor();
    assert.deepEqual(errors, []);
  });
});
