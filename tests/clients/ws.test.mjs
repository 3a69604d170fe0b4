// The WebSocket of the manual, in a real browser, behind the manual's nginx.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Nginx, readmeBlock } from './support/nginx.mjs';
import { documented } from './support/readme.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** What the manual's script shows on a page of `origin`: the data of each event. */
async function run(t, origin) {
  const page = await newPage(t, browser);
  // One that really comes from there: of any other Chromium does not know that it is local, too.
  await page.goto(`${origin}/nothing-is-here`);
  const shown = [];
  page.on('console', async (line) => {
    if (line.type() === 'log') shown.push(await line.args()[1].jsonValue());
  });
  await page.evaluate(await documented('docs/websocket.md', 'In a browser', 'js'));
  return shown;
}

async function directory(t) {
  const path = await mkdtemp(join(tmpdir(), 'ws-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

describe("the manual's WebSocket", SUITE, () => {
  for (const behind of ['nothing', 'nginx']) {
    it(`behind ${behind} gets each event once and in order, over a kill and a restart`, TEST, async (t) => {
      const args = ['--data-dir', await directory(t)];
      const server = await Server.start(t, { args });
      const publish = (data) => server.publish({ topic: 'news', data });
      const origin = behind === 'nginx'
        ? (await Nginx.start(t, await readmeBlock(`127.0.0.1:${server.port}`))).url
        : server.url;
      const shown = await run(t, origin);
      const expected = [];
      const publishMany = async (count) => {
        for (let n = 0; n < count; n += 1) {
          expected.push(`${expected.length}`);
          await publish(expected.at(-1));
        }
      };

      const subscribers = async () => /^sse_broadcaster_subscribers 1$/m.test(await (await fetch(`${server.url}/metrics`)).text());
      await until(subscribers, 'the page to subscribe');
      await publishMany(20);
      await until(() => shown.length === expected.length, 'the first events');
      await server.kill();
      await server.startAgain();
      await publishMany(20);
      await until(() => shown.length >= expected.length, 'the events since');
      await publishMany(5);
      await until(() => shown.length >= expected.length, 'what comes live');
      assert.deepEqual(shown, expected);
    });
  }
});
