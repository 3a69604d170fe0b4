// Signals of the browser client in React, Vue and Svelte, in Chromium: the component shows the document, changes with
// it, and leaves no stream behind.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { bundle, svelte } from './support/client-build.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { request } from './support/request.mjs';
import { Site } from './support/tabs.mjs';
import { until } from './support/until.mjs';

const COMPONENTS = {
  React: `
    import { createElement, StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';
    import { useSignal } from 'sse-broadcaster-client/react';

    function Counter() {
      const counter = useSignal('counter');
      return createElement('p', null, counter ? String(counter.value) : 'none');
    }
    const root = createRoot(document.body);
    root.render(createElement(StrictMode, null, createElement(Counter), createElement(Counter)));
    window.unmount = () => root.unmount();`,
  Vue: `
    import { createApp, h } from 'vue';
    import { useSignal } from 'sse-broadcaster-client/vue';

    const Counter = {
      setup() {
        const counter = useSignal('counter');
        return () => h('p', counter.value ? String(counter.value.value) : 'none');
      },
    };
    const app = createApp({ render: () => [h(Counter), h(Counter)] });
    app.mount(document.body);
    window.unmount = () => app.unmount();`,
  Svelte: `
    import { mount, unmount } from 'svelte';
    import Counters from './Component.svelte';

    const app = mount(Counters, { target: document.body });
    window.unmount = () => unmount(app);`,
};
const SVELTE = `
  <script>
    import { signalStore } from 'sse-broadcaster-client/svelte';
    const counter = signalStore('counter');
  </script>
  <p>{$counter ? $counter.value : 'none'}</p>
  <p>{$counter?.value ?? 'none'}</p>`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

describe('a signal of the browser client', SUITE, () => {
  for (const [framework, text] of Object.entries(COMPONENTS)) {
    it(`is shown by ${framework}, changes with each patch, and ends with the component`, TEST, async (t) => {
      const site = await Site.start(t);
      const put = (value) => request(`${site.server.url}/signals/counter`, {
        method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ value, list: [value] }),
      });
      site.front.scripts['/tab.js'] = await bundle(text, [svelte(SVELTE)]);
      const page = await newPage(t, browser);
      await page.goto(`${site.front.url}/page`);
      const shows = (expected) => until(
        async () => await page.evaluate(() => Array.from(document.querySelectorAll('p'), (p) => p.textContent).join()) === `${expected},${expected}`,
        `${expected} in both components`,
      );
      await shows('none');
      for (const value of [1, 2]) {
        await put(value);
        await shows(value);
      }
      await site.hasStreams(1);
      site.proxy.reset();
      await put(3);
      await shows(3);
      await request(`${site.server.url}/signals/counter`, { method: 'DELETE' });
      await shows('none');
      await page.evaluate(() => window.unmount());
      await site.hasStreams(0);
      assert.equal(await page.evaluate(() => document.querySelectorAll('p').length), 0);
    });
  }
});
