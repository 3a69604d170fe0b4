// The client in Chromium, on an address of the server's.
import assert from 'node:assert/strict';
import path from 'node:path';

import { newPage } from '../../clients/support/browser.mjs';
import { until } from '../../clients/support/until.mjs';

const HTML = `<!doctype html><link rel=icon href="data:,">
<script type=module>import start from './leptos-client.js'; await start();</script>`;

/**
 * Opens the client that `folder` holds, as if `origin` served it, on a stream of these signals. What the
 * browser complains of, but for cuts of its network, fails the test.
 */
export async function openClient(t, browser, folder, origin, names = ['counter', 'board']) {
  const page = await newPage(t, browser);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`${error}`));
  page.on('console', (message) => {
    const isOfNetwork = /^Failed to load resource/.test(message.text());
    if (!isOfNetwork && ['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  const address = `${origin}/client/`;
  await page.route(`${address}**`, (route) => {
    const file = path.basename(new URL(route.request().url()).pathname);
    return file === 'client'
      ? route.fulfill({ contentType: 'text/html', body: HTML })
      : route.fulfill({ path: path.join(folder, file) });
  });
  const query = names.map((name) => `name=${name}`).join('&');
  await page.goto(`${address}#${origin}/signals?${query}`);
  await page.locator('#board').waitFor();
  await page.unroute(`${address}**`);

  const read = async (name) => JSON.parse(await page.innerText(`#${name}`));
  return {
    complaints,
    /** Waits until the page shows what the server has. */
    async shows(name, value) {
      const same = (shown) => {
        try {
          assert.deepEqual(shown, value);
          return true;
        } catch {
          return false;
        }
      };
      let shown;
      await until(async () => same(shown = await read(name)), () => `${name} to be
${JSON.stringify(value)}, not
${JSON.stringify(shown)}
${complaints.join('\n')}`, 30_000);
      assert.deepEqual(complaints, []);
    },
    read,
  };
}
