// The dashboard in a browser, with Datastar itself: what it shows is what the database holds.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { launch } from '../clients/support/browser.mjs';
import { SUITE, TEST } from '../clients/support/limits.mjs';
import { request } from '../clients/support/request.mjs';
import { until } from '../clients/support/until.mjs';
import { ADA, AMIR, Dashboard, actions, isLive, numbers, show } from './support/dashboard.mjs';

const whileAway = { tolerates: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|Failed to load resource/ };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** As a browser does when its tab goes to the background or comes back. */
function setHidden(page, hidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

describe('the dashboard', SUITE, () => {
  it('follows in every window what another process writes, with the bytes of Datastar that it names', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const windows = await Promise.all([dashboard.open(browser), dashboard.open(browser)]);
    await Promise.all(windows.map(isLive));
    await show(windows, numbers, ['1,247', '5,892', '18,453']);
    assert.equal((await actions(windows[0])).length, 10);

    await dashboard.write(
      "INSERT INTO users (name) VALUES ('newcomer')",
      'INSERT INTO connections (one, other) VALUES (1, 2), (1, 3)',
      'DELETE FROM projects WHERE id <= 300',
    );
    await dashboard.acts('newcomer', 'first', 'second');
    await show(windows, numbers, ['947', '5,893', '18,455']);
    await show(windows, async (page) => (await actions(page)).slice(0, 2), ['second', 'first']);
    await show(windows, (page) => page.locator('#activity li').count(), 10);
    await show(windows, (page) => page.locator('[aria-busy]').getAttribute('aria-busy'), 'false');

    const script = windows[0].locator('script[src]');
    const answer = await fetch(`${dashboard.url}${await script.getAttribute('src')}`, { redirect: 'manual' });
    assert.equal(answer.status, 200, 'npm install in examples/ has put Datastar there');
    const hash = createHash('sha384').update(Buffer.from(await answer.arrayBuffer()));
    assert.equal(await script.getAttribute('integrity'), `sha384-${hash.digest('base64')}`);
  });

  it('lets new items ease in and leaves those that are there alone', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const page = await dashboard.open(browser);
    await isLive(page);
    await page.evaluate(() => {
      window.eased = [];
      document.addEventListener('animationstart', ({ target }) => {
        window.eased.push(target.querySelector('.action').textContent);
      });
      window.kept = document.querySelector('#activity li');
    });
    await dashboard.acts(ADA, 'eases in');
    await until(() => page.evaluate(() => window.eased.length > 0), 'the new item to ease in');
    assert.deepEqual(await page.evaluate(() => window.eased), ['eases in']);
    assert.ok(await page.evaluate(() => document.querySelectorAll('#activity li')[1] === window.kept));
  });

  it('shows only the users asked for, of each list its own newest, and goes back to all', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    await dashboard.acts(AMIR, 'of amir');
    await dashboard.acts('bela.costa', ...Array.from({ length: 12 }, (_, n) => `of bela ${n}`));
    const page = await dashboard.open(browser, { path: `/?user=${AMIR}&user=${ADA}` });
    await isLive(page);
    await show([page], async (page) => (await actions(page))[0], 'of amir');
    await dashboard.acts('bela.costa', 'of bela at last');
    await dashboard.acts(ADA, 'of ada');
    await show([page], async (page) => (await actions(page)).slice(0, 2), ['of ada', 'of amir']);
    const users = await page.locator('#activity a').allInnerTexts();
    assert.deepEqual([...new Set(users)].sort(), [ADA, AMIR]);

    await page.getByRole('link', { name: `Without ${AMIR}` }).click();
    await show([page], async (page) => (await actions(page))[0], 'of ada');
    assert.ok(!(await actions(page)).includes('of amir'));
    await page.getByRole('link', { name: `Without ${ADA}` }).click();
    await page.getByPlaceholder('A user’s name').fill('bela.costa');
    await page.getByRole('button', { name: 'Show only' }).click();
    await show([page], async (page) => (await actions(page))[0], 'of bela at last');
    assert.equal((await actions(page)).length, 10);
  });

  it('keeps what users wrote text, in the page and in its code', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const nasty = [
      '<script>alert(1)</script><img src=x onerror=alert(1)>',
      "@get('/x') $userCount ${alert(1)} \"); alert(1); //",
      'line\u2028ends',
    ];
    await dashboard.acts(ADA, ...nasty);
    await dashboard.write("INSERT INTO users (name) VALUES ('\"><script>alert(1)</script>@a(')");
    await dashboard.acts('"><script>alert(1)</script>@a(', 'one\r\ndata: signals {"userCount":1}');
    const page = await dashboard.open(browser);
    await isLive(page);
    const expected = ['one  data: signals {"userCount":1}', ...nasty.toReversed()];
    await show([page], async (page) => (await page.locator('#activity .action').allTextContents()).slice(0, 4), expected);
    await dashboard.acts(ADA, nasty[0]);
    await show([page], async (page) => (await page.locator('#activity .action').allTextContents()).slice(0, 5), [nasty[0], ...expected]);
    await page.locator('#activity a').nth(1).click();
    await isLive(page);
    await show([page], (page) => page.locator('#activity .action').allTextContents(), [expected[0]]);
    assert.equal((await numbers(page))[1], '5,893');
  });

  it('says everything without scripts', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    await dashboard.acts(ADA, 'without scripts');
    const page = await dashboard.open(browser, { javaScriptEnabled: false });
    assert.deepEqual(await numbers(page), ['1,247', '5,892', '18,453']);
    assert.equal((await actions(page))[0], 'without scripts');
    await page.locator('#activity a').first().click();
    await page.waitForURL(/\?user=/);
    assert.ok((await page.locator('#activity a').allInnerTexts()).every((user) => user === ADA));
  });

  it('loses nothing to a server that was killed', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const windows = await Promise.all([
      dashboard.open(browser, whileAway),
      dashboard.open(browser, { ...whileAway, path: `/?user=${ADA}` }),
    ]);
    await Promise.all(windows.map(isLive));
    await dashboard.acts(ADA, 'before');
    await dashboard.example.kill();
    await windows[0].locator('#connection[data-state=reconnecting]').waitFor();
    await dashboard.addProjects(3);
    await dashboard.acts(ADA, 'while it was away');
    await dashboard.example.startAgain();
    await show(windows, numbers, ['1,250', '5,892', '18,453']);
    await show(windows, async (page) => (await actions(page)).slice(0, 2), ['while it was away', 'before']);
    await dashboard.acts(ADA, 'afterwards');
    await show(windows, async (page) => (await actions(page))[0], 'afterwards');
    await Promise.all(windows.map(isLive));
  });

  it('loses nothing to a tab that was hidden, which has no stream meanwhile', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const page = await dashboard.open(browser);
    await isLive(page);
    const ended = [];
    page.on('requestfailed', (request) => ended.push(new URL(request.url()).pathname));
    await setHidden(page, true);
    await until(() => ended.length === 2, 'both streams to be closed');
    const witness = await dashboard.subscribe('/api/sse/stats');
    await dashboard.addProjects(1);
    await dashboard.acts(ADA, 'unseen');
    await until(() => witness.states().at(-1).projectCount === 1248, 'the change to be published');
    assert.deepEqual(await numbers(page), ['1,247', '5,892', '18,453']);
    await setHidden(page, false);
    await show([page], numbers, ['1,248', '5,892', '18,453']);
    await show([page], async (page) => (await actions(page))[0], 'unseen');
  });

  it('grows by itself unless it is told not to', TEST, async (t) => {
    const dashboard = await Dashboard.start(t, { args: [] });
    const page = await dashboard.open(browser);
    await isLive(page);
    const [before, items] = [await numbers(page), await actions(page)];
    await until(async () => String(await numbers(page)) !== String(before), 'the numbers to grow');
    await until(async () => String(await actions(page)) !== String(items), 'the list to change');
  });

  for (const [width, colorScheme] of [[1280, 'light'], [360, 'dark']]) {
    it(`fits into ${width} pixels, ${colorScheme}, with names as long as they may be`, TEST, async (t) => {
      const dashboard = await Dashboard.start(t);
      await dashboard.write(`INSERT INTO users (name) VALUES ('${'n'.repeat(64)}')`);
      await dashboard.acts('n'.repeat(64), 'a'.repeat(500));
      const path = `/?user=${'n'.repeat(64)}`;
      const page = await dashboard.open(browser, { path, viewport: { width, height: 800 }, colorScheme });
      await isLive(page);
      const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.equal(await overflow(), 0);
      await page.goto(`${dashboard.url}/static/test-sse.html`);
      await page.locator('.stream[data-state=open]').first().waitFor();
      assert.equal(await overflow(), 0);
    });
  }

  it('names no absolute address of its own in what it serves', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    for (const path of ['/', '/static/test-sse.html', '/static/test-sse.js']) {
      const { status, body } = await request(`${dashboard.url}${path}`);
      assert.equal(status, 200);
      assert.doesNotMatch(body, /localhost|127\.0\.0\.1/);
    }
  });
});
