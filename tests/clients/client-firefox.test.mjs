// The browser client in Firefox, without a driver: tabs that report by themselves.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { visitWithFirefox } from './support/firefox.mjs';
import { SUITE } from './support/limits.mjs';
import { Site } from './support/tabs.mjs';
import { until } from './support/until.mjs';

const TABS = 5;
/** Firefox starts slowly on a busy machine. */
const START_MS = 60_000;

/** What each tab has reported last: its state, what it has got, and how many locks are held. */
function reported({ front }) {
  const last = [];
  for (const [tab, ...report] of front.reports) last[tab] = report;
  return last;
}

async function haveAll(site) {
  const expected = JSON.stringify(site.published.map(({ data }) => data));
  await until(
    () => reported(site).length === TABS && reported(site).every(([, got]) => JSON.stringify(got) === expected),
    () => `${expected} in each tab, which have ${JSON.stringify(reported(site))}`, 40_000,
  );
}

describe('five tabs of Firefox', SUITE, () => {
  for (const [mode, parameter] of [['a SharedWorker', ''], ['a leader', '&worker=false']]) {
    it(`share one stream by ${mode}, and get every event once through a kill and cuts`, { timeout: 150_000 }, async (t) => {
      const site = await Site.start(t, { keeps: true });
      await visitWithFirefox(t, ...Array.from({ length: TABS }, (_, tab) => `${site.front.url}/page?topic=all&topic=${tab}&report=${tab}${parameter}`));
      await until(
        () => reported(site).filter((report) => report?.[0] === 'open').length === TABS,
        () => `five open tabs, of ${JSON.stringify(reported(site))}`, START_MS,
      );
      await site.hasStreams(1);
      const faults = [
        () => site.publish('all'), () => site.proxy.reset(), () => site.proxy.endAfter(33),
        async () => { await site.server.kill(); await site.server.startAgain(); },
      ];
      for (const happens of faults) {
        await happens();
        await site.publish('all');
        await haveAll(site);
      }
      await site.hasStreams(1);
      assert.equal(site.front.loads, TABS);
      // Only a leader holds a lock.
      assert.deepEqual(new Set(reported(site).map(([, , held]) => held)), new Set([parameter ? 1 : 0]));
    });
  }
});
