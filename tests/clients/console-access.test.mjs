// Every state of the page at `/`, wide and narrow, light and dark: no violation that axe finds, and nothing that makes it scroll sideways.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { openState, STATES } from './support/console-states.mjs';
import { SUITE, TEST } from './support/limits.mjs';

let axe;
let browser;
before(async () => {
  axe = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
  browser = await launch();
});
after(() => browser.close());

/** What axe finds by these rules, or by all, as one line each. */
async function violations(page, rules) {
  const { violations: found } = await page.evaluate((runOnly) => axe.run({ resultTypes: ['violations'], runOnly }), rules);
  return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`));
}

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

describe('the documents', SUITE, () => {
  it('show a picture of each state of the page', async () => {
    const gallery = await readFile(new URL('../../docs/console/states.md', import.meta.url), 'utf8');
    const shown = [...gallery.matchAll(/\(states\/([a-z-]+)\.png\)/g)].map(([, name]) => name);
    assert.deepEqual(shown.toSorted(), Object.keys(STATES).toSorted());
  });
});

describe('the page passes axe', { ...SUITE, concurrency: 4 }, () => {
  for (const name of Object.keys(STATES)) {
    it(`in the state ${name}, and does not scroll sideways`, TEST, async (t) => {
      const wide = { width: 1280, height: 800 };
      const { page, openAgain } = await openState(t, name, () => newPage(t, browser, { viewport: wide, reducedMotion: 'reduce' }));
      await page.evaluate(axe);
      assert.deepEqual(await violations(page), [], 'wide and light');
      // Nothing else is different there.
      await page.emulateMedia({ colorScheme: 'dark' });
      assert.deepEqual(await violations(page, ['color-contrast']), [], 'wide and dark');
      assert.equal(await overflow(page), 0, 'wide');
      await page.setViewportSize({ width: 390, height: 844 });
      await openAgain();
      assert.deepEqual(await violations(page), [], 'narrow');
      assert.equal(await overflow(page), 0, 'narrow');
    });
  }
});
