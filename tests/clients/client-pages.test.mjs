// The browser client in Chromium: what befalls some of the tabs that share a stream, or all.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newContext } from './support/browser.mjs';
import { bundle } from './support/client-build.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { allAreExact, Site, Tab } from './support/tabs.mjs';
import { jwt, SECRET } from './support/tokens.mjs';
import { until } from './support/until.mjs';

const LEADER = { worker: 'false' };
const KEY = 'key-of-the-backend';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Tabs with the topic `all` and one of their own. */
const open = (context, site, count, parameters) => Promise.all(
  Array.from({ length: count }, (_, number) => Tab.open(context, site, ['all', `topic-${number}`], parameters)),
);

describe('tabs with the browser client', SUITE, () => {
  it('renew the token of the stream that they share, one for all', TEST, async (t) => {
    const site = await Site.start(t, { key: KEY, args: ['--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`] });
    let tokens = 0;
    site.front.scripts['/token'] = () => {
      tokens += 1;
      return jwt({ sub: '17', sse: { subscribe: ['*'] } }, 5);
    };
    const context = await newContext(t, browser);
    const tabs = await open(context, site, 3, { identity: '17' });
    await site.hasStreams(1);
    const before = tokens;
    await until(async () => {
      await site.publish('all');
      return tokens > before + 2;
    }, 'three renewals');
    await allAreExact(tabs);
    await site.hasStreams(1);
  });

  it('do not share a stream with a tab of another identity', TEST, async (t) => {
    const site = await Site.start(t, { key: KEY, args: ['--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`] });
    const context = await newContext(t, browser);
    site.front.scripts['/token'] = () => jwt({ sub: '17', sse: { subscribe: ['all', 'topic-0'] } });
    const tabs = await open(context, site, 1, { identity: '17' });
    site.front.scripts['/token'] = () => jwt({ sub: '18', sse: { subscribe: ['other'] } });
    const other = await Tab.open(context, site, ['other'], { identity: '18' });
    await site.publish('other');
    await site.publish('all');
    await allAreExact([...tabs, other]);
    await site.hasStreams(2);
  });

  for (const [how, of] of [
    ['name themselves by `identity`', (user) => ({ user })],
    ['send cookies by `credentials: include` and have no `identity`', () => ({ credentials: 'include' })],
  ]) {
    it(`get nothing of the user who signed in before by a cookie if they ${how}`, TEST, async (t) => {
      const site = await Site.start(t, { key: KEY, args: ['--subscribe-access', 'private-events', '--token-key', `HS256 ${SECRET}`] });
      const context = await newContext(t, browser);
      const signIn = async (user) => {
        await context.addCookies([{ name: 'sse_token', value: jwt({ sub: user, sse: { subscribe: [user] } }), url: site.front.url }]);
        return Tab.open(context, site, ['*'], of(user));
      };
      const before = await signIn('anna');
      const after = await signIn('ben');
      await site.hasStreams(2);
      for (const [topic, data] of [['anna', 'for anna'], ['ben', 'for ben'], ['anna', 'for anna again'], ['ben', 'for ben again']]) {
        await site.server.publish({ topic, data, private: true });
      }
      for (const [tab, user] of [[before, 'anna'], [after, 'ben']]) {
        await until(async () => (await tab.got()).includes(`for ${user} again`), `the events of ${user}`);
        assert.deepEqual(await tab.got(), [`for ${user}`, `for ${user} again`]);
      }
    });
  }

  for (const [mode, parameters] of [['a SharedWorker', {}], ['a leader', LEADER]]) {
    it(`by ${mode} are each told of a gap, and find a dead connection`, TEST, async (t) => {
      const site = await Site.start(t);
      const tabs = await open(await newContext(t, browser), site, 5, { ...parameters, heartbeat: '1' });
      await site.publish('all');
      await allAreExact(tabs);
      await site.server.kill();
      await site.server.startAgain();
      for (const { page } of tabs) {
        await until(() => page.evaluate(() => window.got.length === 2 && window.got[1].gap?.requested), 'a gap');
        await page.evaluate(() => window.got.pop());
      }
      await site.publish('all');
      await allAreExact(tabs);
      site.proxy.swallow();
      await site.publish('all', 'topic-4');
      await allAreExact(tabs);
      await site.hasStreams(1);
    });
  }

  for (const [mode, parameters] of [['a SharedWorker', {}], ['a leader', LEADER]]) {
    it(`by ${mode} connect again at once when the network returns, however long they would wait`, TEST, async (t) => {
      const site = await Site.start(t);
      const context = await newContext(t, browser);
      const tabs = await open(context, site, 2, parameters);
      site.front.failHeaders = { 'retry-after': '300' };
      site.front.fail(503);
      for (const tab of tabs) await tab.has('waiting');
      await until(() => site.front.streams.some(({ status }) => status === 503), 'a request that failed');
      await Promise.all(tabs.map(({ page }) => until(() => page.evaluate(() => window.states.at(-1) === 'waiting http_503'), 'its status')));
      site.front.pass();
      await site.publish('all');
      await context.setOffline(true);
      await context.setOffline(false);
      await allAreExact(tabs);
      await site.hasStreams(1);
    });
  }

  it('share a stream by a leader where the policy of the page allows no worker', TEST, async (t) => {
    const site = await Site.start(t, { policy: "default-src 'none'; script-src 'self'; worker-src 'none'; connect-src 'self'; img-src data:" });
    const context = await newContext(t, browser);
    const tabs = await open(context, site, 3);
    const { held } = await tabs[0].page.evaluate(() => navigator.locks.query());
    assert.equal(held.length, 1, 'one tab is the leader');
    await site.publish('all');
    await allAreExact(tabs);
    await site.hasStreams(1);
  });

  it('share a stream by a worker where there can be one, under a strict policy', TEST, async (t) => {
    const site = await Site.start(t);
    const context = await newContext(t, browser);
    const tabs = await open(context, site, 2);
    const session = await browser.newBrowserCDPSession();
    const { targetInfos } = await session.send('Target.getTargets');
    assert.ok(targetInfos.some(({ type, url }) => type === 'shared_worker' && url === `${site.front.url}/client.js`));
    const { held } = await tabs[0].page.evaluate(() => navigator.locks.query());
    assert.equal(held.length, 0);
  });

  it('of a bundled application share a stream by the worker that it names', TEST, async (t) => {
    const site = await Site.start(t);
    const text = site.front.scripts['/tab.js'].replace("from '/client.js';", "from 'sse-broadcaster-client';");
    site.front.scripts['/tab.js'] = await bundle(text.replace('const options = {', "const options = { url: '/events', worker: '/client.js',"));
    const tabs = await open(await newContext(t, browser), site, 3);
    const { held } = await tabs[0].page.evaluate(() => navigator.locks.query());
    assert.equal(held.length, 0, 'no tab is the leader');
    await site.publish('all');
    await allAreExact(tabs);
    await site.hasStreams(1);
  });

  it('of another origin than the server, from which they load the client, share a stream by a leader', TEST, async (t) => {
    const policy = "default-src 'none'; script-src 'self' http://127.0.0.1:*; connect-src http://127.0.0.1:*; img-src data:";
    const site = await Site.start(t, { policy, args: ['--cors-origin', '*'] });
    const { url } = site.server;
    const text = site.front.scripts['/tab.js'].replace("from '/client.js';", `from '${url}/client.js';`);
    site.front.scripts['/tab.js'] = text.replace('const options = {', `const options = { url: '${url}/events',`);
    const tabs = await open(await newContext(t, browser), site, 3);
    const { held } = await tabs[0].page.evaluate(() => navigator.locks.query());
    assert.equal(held.length, 1, 'one tab is the leader');
    await site.publish('all');
    await allAreExact(tabs);
    await site.hasStreams(1);
  });

  it('have a stream each where they do not share', TEST, async (t) => {
    const site = await Site.start(t);
    const tabs = await open(await newContext(t, browser), site, 2, { share: 'false' });
    await site.publish('all');
    await allAreExact(tabs);
    await site.hasStreams(2);
  });

  for (const [mode, parameters] of [['a worker', {}], ['a leader', LEADER]]) {
    it(`do not wait for a tab that is busy, which then gets everything: by ${mode}`, TEST, async (t) => {
      const site = await Site.start(t);
      const [first, busy] = await open(await newContext(t, browser), site, 2, parameters);
      const work = busy.page.evaluate(() => { for (const end = Date.now() + 4000; Date.now() < end;); });
      const data = 'x'.repeat(900_000);
      for (let number = 0; number < 12; number++) await site.server.publish({ topic: 'all', data });
      const got = (tab) => until(async () => (await tab.got()).length === 12, 'all events');
      await got(first);
      await work;
      await got(busy);
      assert.deepEqual(await busy.got(), Array.from({ length: 12 }, () => 900_000));
      await site.publish('all');
      await until(async () => (await busy.got()).length === 13, 'the next event');
    });
  }

  it('go on without a leader that is frozen, and it catches up when it is thawed', TEST, async (t) => {
    const site = await Site.start(t);
    const context = await newContext(t, browser);
    const leader = await Tab.open(context, site, ['all'], LEADER);
    const others = await open(context, site, 2, LEADER);
    const holder = async () => (await others[0].page.evaluate(() => navigator.locks.query())).held[0].clientId;
    const before = await holder();
    // A page that a debugger holds does nothing more, as one that is frozen.
    const session = await context.newCDPSession(leader.page);
    await session.send('Debugger.enable');
    await session.send('Debugger.pause');
    await site.publish('all');
    await site.publish('topic-1');
    await allAreExact(others);
    assert.notEqual(await holder(), before);
    await session.send('Debugger.disable');
    await site.publish('all');
    await allAreExact([leader, ...others]);
    await site.hasStreams(1);
  });

  for (const [mode, parameters] of [['a SharedWorker', {}], ['a leader', LEADER]]) {
    it(`go on after the tab that came first has crashed, and with it what it had: by ${mode}`, TEST, async (t) => {
      const site = await Site.start(t);
      const context = await newContext(t, browser);
      const first = await Tab.open(context, site, ['all'], parameters);
      const others = await open(context, site, 3, parameters);
      await site.publish('all');
      await allAreExact([first, ...others]);
      const crash = first.page.waitForEvent('crash');
      await first.page.goto('chrome://crash').catch(() => {});
      await crash;
      await site.publish('all');
      await site.publish('topic-2');
      await allAreExact(others);
      await site.hasStreams(1);
    });
  }

  it('go on after they were left and came back, from the cache of the browser or without it', TEST, async (t) => {
    const cached = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    t.after(() => cached.close());
    for (const [chromium, parameters] of [[cached, {}], [cached, LEADER], [browser, {}]]) {
      const site = await Site.start(t);
      const tab = await Tab.open(await newContext(t, chromium), site, ['all'], parameters);
      await site.publish('all');
      await tab.isExact();
      await tab.page.goto(`${site.front.url}/token`);
      await site.publish('all');
      await tab.page.goBack({ waitUntil: 'commit' });
      await site.publish('all');
      await tab.isExact();
      if (chromium === cached) t.diagnostic(`persisted: ${await tab.page.evaluate(() => window.persisted)}`);
    }
  });
});
