// Real clients, straight at the server: a browser, npm, Python and curl.
import { after, before, describe, it } from 'node:test';

import { getsWhatWasPublished, isToldOfTheGap, outlivesCuts } from './support/behaviours.mjs';
import { launch } from './support/browser.mjs';
import { browserEventSource, curl, httpxSse, npmEventSource } from './support/clients.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { direct } from './support/paths.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const CLIENTS = {
  'EventSource in Chromium': (...args) => browserEventSource(browser)(...args),
  'npm eventsource': npmEventSource,
  'Python httpx-sse': httpxSse,
  'curl -N': curl,
};

describe('a client', SUITE, () => {
  for (const [name, open] of Object.entries(CLIENTS)) {
    describe(name, SUITE, () => {
      it('gets names, several lines and UTF-8 as they were published', TEST, (t) =>
        getsWhatWasPublished(t, open, direct));

      it('misses nothing and gets nothing twice when its connection is cut', TEST, (t) =>
        outlivesCuts(t, open, direct));

      it('comes back to a server that was killed, and is told of the gap', TEST, (t) =>
        isToldOfTheGap(t, open, direct));
    });
  }
});
