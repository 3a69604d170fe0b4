// The manual's "From a browser", as it stands there, in Chromium and Firefox: an EventSource that its
// browser gave up (502, 503, a refused connection) is opened again after its last id.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { visitWithFirefox } from './support/firefox.mjs';
import { Front } from './support/front.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { documented } from './support/readme.mjs';
import { REPORT } from './support/report.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

let browser;
let snippet;
before(async () => {
  [browser, snippet] = await Promise.all([launch(), documented('docs/subscribing.md', 'From a browser', 'js')]);
});
after(() => browser.close());

const visits = {
  Chromium: async (t, url) => (await newPage(t, browser)).goto(url),
  Firefox: visitWithFirefox,
};

/** What the page logs, and how long it means to wait, comes to its server. Waits are cut to a tenth of a second. */
const page = (script) => `<!doctype html><link rel=icon href="data:,"><script>
${REPORT}
console.log = (...values) => report(['log', ...values]);
Math.random = () => 0.5;
const wait = setTimeout;
window.setTimeout = (then, time) => {
  report(['wait', time]);
  return wait(then, Math.min(time, 100));
};
</script><script>{${script}}</script>`;

const logged = ({ reports }) => reports.filter(([kind]) => kind === 'log').map(([, ...values]) => values.at(-1));

async function shows(front, data) {
  await until(() => logged(front).at(-1) === data, () => `${data} in the page, which has ${JSON.stringify(front.reports)}`);
}

describe('the lines for a page in the manual', SUITE, () => {
  for (const [name, visit] of Object.entries(visits)) {
    it(`reopen an EventSource in ${name} after 502, 503 and refused connections, and lose nothing`, TEST, async (t) => {
      const server = await Server.start(t);
      const front = await Front.start(t, server.port, page(snippet));
      await visit(t, `${front.url}/page`);
      await until(() => front.opened > 0, 'the page to subscribe');
      let last = await server.publish({ topic: 'news', data: 'before' });
      await shows(front, 'before');

      for (const status of [502, 503]) {
        const seen = front.streams.length;
        front.fail(status);
        await until(() => front.streams.length > seen + 2, `more requests after ${status}`);
        assert.equal(front.streams.at(-1).after, last);
        last = await server.publish({ topic: 'sport', event: 'update', data: `during ${status}` });
        front.pass();
        await shows(front, `during ${status}`);
      }

      await front.refuse();
      await server.publish({ topic: 'news', data: 'while refused' });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await front.accept();
      await shows(front, 'while refused');
      assert.deepEqual(logged(front), ['before', 'during 502', 'during 503', 'while refused']);
      assert.equal(front.loads, 1, 'without a reload');
    });

    it(`reopen an EventSource in ${name} to another origin that refused connections`, TEST, async (t) => {
      const server = await Server.start(t, { args: ['--cors-origin', '*'] });
      const other = await Front.start(t, server.port);
      assert.ok(snippet.includes('`/events?'), 'the lines name the stream');
      const front = await Front.start(t, server.port, page(snippet.replace('`/events?', `\`${other.url}/events?`)));
      await visit(t, `${front.url}/page`);
      await until(() => other.opened > 0, 'the page to subscribe');
      await server.publish({ topic: 'news', data: 'before' });
      await shows(front, 'before');
      await other.refuse();
      await server.publish({ topic: 'news', data: 'while refused' });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await other.accept();
      await shows(front, 'while refused');
      assert.deepEqual(logged(front), ['before', 'while refused']);
    });
  }

  it('wait longer after each request that failed, and spread the reloads that a gap causes', TEST, async (t) => {
    const server = await Server.start(t);
    const front = await Front.start(t, server.port, page(snippet));
    await visits.Chromium(t, `${front.url}/page`);
    await until(() => front.opened > 0, 'the page to subscribe');
    await server.publish({ topic: 'news', data: 'before' });
    await shows(front, 'before');

    const waits = () => front.reports.filter(([kind]) => kind === 'wait').map(([, time]) => time);
    front.fail(503);
    await until(() => waits().length >= 7, 'the page to have tried again seven times');
    assert.deepEqual(waits().slice(0, 7), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);

    await server.kill();
    await server.startAgain();
    front.pass();
    await until(() => front.loads === 2, 'the page to be loaded again after the gap');
    // The page that was loaded again may already have waited for something itself.
    assert.ok(waits().slice(7).includes(15_000), `half of 30 s, by a random number of 0.5: ${waits()}`);
  });
});
