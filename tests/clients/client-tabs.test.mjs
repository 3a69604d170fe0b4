// The browser client in Chromium: twenty tabs of one origin share one stream, and each gets every event of its topics
// exactly once through kills, cuts, offline, reloads and closed tabs.
import { after, before, describe, it } from 'node:test';

import { launch, newContext } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { allAreExact, Site, Tab } from './support/tabs.mjs';

const TABS = 20;
const MODES = { 'a SharedWorker': {}, 'a leader': { worker: 'false' } };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const topicsOf = (number) => ['all', `topic-${number % 5}`];

async function publishSome(site) {
  for (let number = 0; number < 5; number++) await site.publish(...(number % 2 ? [`topic-${number}`] : ['all', `topic-${number}`]));
}

describe('tabs of one origin', SUITE, () => {
  for (const [mode, parameters] of Object.entries(MODES)) {
    it(`share one stream by ${mode}, and each gets every event exactly once, whatever happens`, TEST, async (t) => {
      const site = await Site.start(t, { keeps: true });
      const context = await newContext(t, browser);
      let tabs = [await Tab.open(context, site, topicsOf(0), parameters)];
      const begin = performance.now();
      while (tabs.length < TABS) {
        const numbers = Array.from({ length: 5 }, (_, number) => tabs.length + number).filter((number) => number < TABS);
        tabs.push(...await Promise.all(numbers.map((number) => Tab.open(context, site, topicsOf(number), parameters))));
        await publishSome(site);
      }
      await allAreExact(tabs);
      t.diagnostic(`opening: ${Math.round(performance.now() - begin)} ms`);
      await site.hasStreams(1);

      const faults = {
        kill: async () => { await site.server.kill(); await site.server.startAgain(); },
        end: () => site.proxy.end(),
        reset: () => site.proxy.reset(),
        'end in an event': () => site.proxy.endAfter(33),
        offline: async () => { await context.setOffline(true); await publishSome(site); await context.setOffline(false); },
        reload: () => Promise.all([tabs[0], tabs[7], tabs[19]].map(({ page }) => page.reload())),
      };
      for (const [name, happens] of Object.entries(faults)) {
        await publishSome(site);
        const begun = performance.now();
        await happens();
        await publishSome(site);
        await allAreExact(tabs);
        await site.hasStreams(1);
        t.diagnostic(`${name}: ${Math.round(performance.now() - begun)} ms`);
      }

      const begun = performance.now();
      while (tabs.length > 1) {
        const [closed, ...rest] = tabs;
        tabs = rest;
        await Promise.all([closed.page.close(), publishSome(site)]);
        if (tabs.length % 5 === 1) await allAreExact(tabs);
      }
      await site.hasStreams(1);
      t.diagnostic(`closing: ${Math.round(performance.now() - begun)} ms`);
    });
  }
});
