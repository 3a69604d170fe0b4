// What an operator does with the page at `/`, with a key, and what nobody else sees.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch } from './support/browser.mjs';
import { goTo, openConsole } from './support/console-page.mjs';
import { inState, signedIn, signIn } from './support/console-states.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { ADMIN_KEY, operatorSide } from './support/operator.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const views = (page) => page.locator('nav a').allInnerTexts();
async function signOut(page) {
  await page.click('#sign-out');
  await page.locator('#sign-in').waitFor();
}
const VISITOR = ['Events', 'History', 'Topics', 'Signals'];
const OPERATOR = [...VISITOR, 'Overview', 'Connections', 'Explain'];

describe('signing in', { ...SUITE, concurrency: 4 }, () => {
  it('shows nothing of an operator without a key, and everything with it, until signing out', TEST, async (t) => {
    const { page, front, errors } = await openConsole(t, browser, { address: '/#/overview' });
    assert.deepEqual(await views(page), VISITOR);
    assert.equal(await page.locator('#view-overview, #view-connections, #view-explain').count(), 0);
    assert.deepEqual(front.adminRequests, [], 'no request to /admin/ without a key');

    await signedIn(page);
    assert.deepEqual(await views(page), OPERATOR);
    await page.reload();
    await page.locator('#view-overview:not([hidden])').waitFor();
    assert.deepEqual(await views(page), OPERATOR, 'after a reload');

    await signOut(page);
    assert.deepEqual(await views(page), VISITOR);
    assert.equal(await page.locator('#view-overview').count(), 0);
    await inState(page, 'open');
    assert.deepEqual(errors, []);
  });

  it('keeps the key in the storage of the tab alone, and sends it as a header, never in an address', TEST, async (t) => {
    const { page, front } = await openConsole(t, browser);
    const urls = [];
    page.on('request', (request) => urls.push(request.url()));
    await signedIn(page);
    await goTo(page, 'connections');
    await page.locator('#connections-table td').first().waitFor();
    const kept = await page.evaluate(() => ({ elsewhere: JSON.stringify([location.href, document.cookie, { ...localStorage }]), tab: Object.values({ ...sessionStorage }) }));
    assert.ok(!kept.elsewhere.includes(ADMIN_KEY));
    assert.equal(kept.tab.filter((value) => value.includes(ADMIN_KEY)).length, 1);
    assert.deepEqual(urls.filter((url) => url.includes(ADMIN_KEY)), []);
    assert.ok(front.adminRequests.some(({ key }) => key === ADMIN_KEY));
    await signOut(page);
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes(ADMIN_KEY));
  });

  it('rejects a wrong key, a token without the right, and what cannot be a key, with the reason', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    for (const [key, reason] of [['wrong-key', /key is wrong/], ['token-without-the-right', /no admin rights/], ['with spaces', /no spaces/]]) {
      await signIn(page, key);
      await until(async () => reason.test(await page.innerText('#sign-in-output')), `the reason for ${key}`);
      assert.deepEqual(await views(page), VISITOR);
      await page.click('.sign-in-close >> nth=0');
    }
  });

  it('says how to set a key on a server without one', TEST, async (t) => {
    const { page } = await openConsole(t, browser, { side: operatorSide({ configured: false }) });
    await page.click('#sign-in');
    await page.locator('#sign-in-setup:has-text("--admin-key-file")').waitFor();
  });

  it('ends when the key is taken away, and says so', TEST, async (t) => {
    const { page, front } = await openConsole(t, browser);
    await signedIn(page);
    front.admin = operatorSide();
    const accepted = front.admin;
    front.admin = (request) => accepted({ ...request, key: 'taken-away' });
    await page.locator('#sign-in-output:has-text("signed out")').waitFor();
    assert.deepEqual(await views(page), VISITOR);
  });

  it('leaves nothing in the page that came with the key, after signing out', TEST, async (t) => {
    const { page, server } = await openConsole(t, browser);
    await signedIn(page);
    await goTo(page, 'events');
    await server.publish({ data: 'for the operator' });
    await page.locator('#events li.event').waitFor();
    await signOut(page);
    await inState(page, 'open');
    assert.equal(await page.locator('#events li:is(.event, .gap)').count(), 0);
  });

  it('leaves nothing of an event in the form or the storage after signing out', TEST, async (t) => {
    const { page, server } = await openConsole(t, browser);
    await signedIn(page);
    await goTo(page, 'events');
    await server.publish({ topic: 'salaries', event: 'raise', data: 'the secret' });
    await page.locator('#events li.event').first().click();
    await page.click('#details-actions button:has-text("Put into the form")');
    await page.$eval('#publish-key', (field) => { field.value = 'key-of-mine'; });
    for (const mode of ['json', 'form']) await page.check(`input[name="publish-mode"][value="${mode}"]`, { force: true });
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await signOut(page);
    await inState(page, 'open');
    const left = await page.evaluate(() => JSON.stringify({ ...sessionStorage }) + [...document.querySelectorAll('#publish-form :is(input, textarea)')].map(({ value }) => value).join());
    for (const part of ['secret', 'salaries', 'raise', 'key-of-mine']) assert.ok(!left.includes(part), left);
  });

  it('reads the stream with the key, and misses nothing when it is cut', TEST, async (t) => {
    const { page, server, front } = await openConsole(t, browser);
    await server.publish({ data: 'before the key' });
    await page.locator('#events li.event').waitFor();
    const streams = [];
    page.on('request', async (request) => request.url().includes('/events?') && streams.push((await request.allHeaders()).authorization));
    await signedIn(page);
    await until(() => streams.includes(`Bearer ${ADMIN_KEY}`), 'a stream with the key');
    await goTo(page, 'events');
    await server.publish({ data: 'with the key' });
    await page.locator('#events li.event:has-text("with the key")').waitFor();
    await front.refuse();
    await inState(page, 'lost');
    await server.publish({ data: 'meanwhile' });
    await front.accept();
    await page.locator('#events li.event:has-text("meanwhile")').waitFor();
    await inState(page, 'open');
    assert.equal(await page.locator('#events li.event').count(), 3);
  });
});

describe('the operator', { ...SUITE, concurrency: 4 }, () => {
  it('has live figures with their course, which go on after the server was unreachable', TEST, async (t) => {
    const { page, front, errors } = await openConsole(t, browser);
    await signedIn(page);
    await page.locator('.chart').nth(7).waitFor();
    await until(async () => (await page.locator('.chart .figure').allInnerTexts()).every((text) => /\d/.test(text)), 'every figure');
    for (const label of await page.locator('.chart svg').evaluateAll((charts) => charts.map((chart) => chart.getAttribute('aria-label')))) {
      assert.match(label, /in the last minutes: (?:always )?[\d.,]+/);
    }
    const course = () => page.getAttribute('.chart:nth-child(2) .series-0', 'd');
    const first = await course();
    assert.ok(first.split('L').length >= 299, 'a point a second');
    await until(async () => await course() !== first, 'the next sample');
    assert.equal(await page.locator('#nodes-table tbody tr').count(), 3);
    await front.refuse();
    await page.locator('#overview-problem').waitFor();
    await front.accept();
    await page.locator('#overview-problem').waitFor({ state: 'hidden' });
    assert.deepEqual(errors, []);
  });

  it('sorts, filters and pages through thousands of topics', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    await signedIn(page);
    await goTo(page, 'topics');
    const first = (text) => until(async () => (await page.locator('#topics-table tbody tr').first().innerText()).includes(text), `${text} to be the first`);
    const range = (text) => page.locator(`#topics-range:text-is("${text}")`).waitFor();
    await range('1–100 of 4,213');
    await first('orders/1000');
    await page.click('#topics-table th:has-text("Topic") button');
    await first('https://shop.example.com/products/1001');
    assert.equal(await page.getAttribute('#topics-table th:has-text("Topic")', 'aria-sort'), 'ascending');
    await page.click('#topics-next');
    await range('101–200 of 4,213');
    await page.fill('#topics-prefix', 'rooms/');
    await range('1–100 of 1,404');
    await first('rooms/1/messages');
    await page.click('#topics-table th:has-text("Subscribers") button');
    await first('8,000');
  });

  it('finds a connection, sees how far it is behind, and disconnects it after a question', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    await signedIn(page);
    await goTo(page, 'connections');
    await page.click('#connections-table th:has-text("Behind") button');
    await page.locator('#connections-table tbody tr').first().locator('td.warn').waitFor();
    await page.fill('#connections-user', 'dmitri');
    await page.locator('#connections-empty:has-text("No connection matches")').waitFor();
    await page.fill('#connections-user', 'chloé');
    await until(async () => await page.locator('#connections-table tbody tr').count() === 5, 'the connections of one user');
    await page.click('#connections-table tr:has(td:text-is("192.0.2.3")) button:text("Disconnect")');
    assert.match(await page.innerText('#disconnect-who'), /chloé at 192\.0\.2\.3,/);
    await page.click('#disconnect-cancel');
    assert.equal(await page.locator('#connections-table tr:has(td:text-is("192.0.2.3"))').count(), 1);
    await page.click('#connections-table tr:has(td:text-is("192.0.2.3")) button:text("Disconnect")');
    await page.click('#disconnect-confirm');
    await page.locator('#connections-table tr:has(td:text-is("192.0.2.3"))').waitFor({ state: 'detached' });
    await page.locator('#connections-output:has-text("was disconnected")').waitFor();
  });

  it('shows long and misleading names of users within their column, beside the actions', TEST, async (t) => {
    const side = operatorSide();
    const users = ['x'.repeat(300), 'anna\u202egnp.exe\u0007'];
    const admin = (request) => {
      const response = side(request);
      if (request.path === 'connections') users.forEach((user, place) => Object.assign(response.body.connections[place], { user }));
      return response;
    };
    const { page } = await openConsole(t, browser, { side: admin });
    await signedIn(page);
    await goTo(page, 'connections');
    const cell = page.locator('#connections-table td.user');
    await cell.first().waitFor();
    assert.equal(await cell.nth(1).innerText(), 'anna\\u202egnp.exe\\u0007');
    assert.equal(await cell.first().getAttribute('title'), users[0]);
    const right = await page.locator('#connections-table button:has-text("Disconnect")').first().evaluate((node) => node.getBoundingClientRect().right);
    assert.ok(right <= 1280, `the button ends at ${right}`);
    await page.locator('#connections-table button:has-text("Disconnect")').nth(1).click();
    assert.match(await page.locator('#disconnect-who').innerText(), /anna\\u202egnp/);
  });

  it('pages through the connections', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    await signedIn(page);
    await goTo(page, 'connections');
    const range = (text) => page.locator(`#connections-range:text-is("${text}")`).waitFor();
    await range('1–100, and more');
    await page.click('#connections-next');
    await range('101–200, and more');
    await page.click('#connections-next');
    await range('201–240');
    assert.ok(await page.isDisabled('#connections-next'));
    await page.click('#connections-previous');
    await range('101–200, and more');
  });

  it('learns from an event of the list and a connection why a subscriber did not get it', TEST, async (t) => {
    const { page, server } = await openConsole(t, browser);
    const id = await server.publish({ topic: 'orders/17', data: 'lost?' });
    await signedIn(page);
    await goTo(page, 'events');
    await page.click('#events li.event:has-text("lost?")');
    await page.click('#details-actions button:text("Why did a subscriber")');
    assert.equal(await page.inputValue('#explain-event'), id);
    await page.locator('#explain-connections label:has-text("anna")').first().click();
    await page.locator('#explain-outcome:has-text("does not select it")').waitFor();
    assert.match(page.url(), /#\/explain\?event=\d+-\d+&connection=c-/);
    await page.fill('#explain-connection', 'c-none');
    await page.click('#explain-form > .primary');
    await page.locator('#explain-detail:has-text("unknown_connection")').waitFor();
  });

  it('sees each outcome in words', TEST, async (t) => {
    const { page, front } = await openConsole(t, browser);
    await signedIn(page);
    await goTo(page, 'explain');
    await page.fill('#explain-event', '1-1');
    const headlines = { sent: /was sent/, pending: /still to be sent/, no_match: /does not select/, no_grant: /no grant/, before_start: /began after/, gap: /gap/, unknown_event: /does not have it/ };
    await page.locator('#explain-connections label').first().waitFor();
    await page.fill('#explain-connection', await page.locator('#explain-connections input').first().getAttribute('value'));
    for (const [outcome, headline] of Object.entries(headlines)) {
      front.admin = operatorSide({ outcome });
      await page.click('#explain-form > .primary');
      await until(async () => headline.test(await page.innerText('#explain-outcome')), `the headline of ${outcome}`);
    }
  });
});
