// The same behind a real nginx: as the manual sets it up, and as it is when nobody set it up.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import {
  assertExactly, gets, getsWhatWasPublished, isToldOfTheGap, openClient, outlivesCuts,
} from './support/behaviours.mjs';
import { launch } from './support/browser.mjs';
import { browserEventSource } from './support/clients.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { defaults, readmeBlock } from './support/nginx.mjs';
import { behindNginx } from './support/paths.mjs';
import { start } from './support/process.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

const AWAY = 10_000;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const open = (...args) => browserEventSource(browser)(...args);

function keepsItsPromises(way) {
  it('gets names, several lines and UTF-8 as they were published, at once', TEST, (t) =>
    getsWhatWasPublished(t, open, way));

  it('misses nothing and gets nothing twice when a connection is cut', TEST, (t) =>
    outlivesCuts(t, open, way));

  it('sees the end that the server makes of a stream as a cut, after a new retry', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--drain-delay', '0s', '--drain-time', '20s'] });
    const { url } = await way(t, server);
    const child = await start(t, 'curl', ['-sN', '--noproxy', '*', `${url}/events`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exit = once(child, 'close');
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    await until(() => text.includes('event: connected'), 'the stream to open');
    const opened = text.length;

    server.child.kill('SIGTERM');

    const [code] = await exit;
    // 18 is an answer that ended before it was complete, 56 a reset.
    assert.ok([18, 56].includes(code), `curl exited with ${code}`);
    assert.match(text.slice(opened), /^retry: \d+$/m);
  });

  it("cannot pass for a program on the server's own machine, and publishes with a key alone", TEST, async (t) => {
    const publish = async (server, headers) => {
      const { url } = await way(t, server);
      return (await request(`${url}/events`, { method: 'POST', headers, body: 'hello' })).status;
    };
    assert.equal(await publish(await Server.start(t), {}), 403);
    const server = await Server.start(t, { key: 'correct-horse-battery' });
    assert.equal(await publish(server, {}), 401);
    assert.equal(await publish(server, { authorization: 'Bearer correct-horse-battery' }), 200);
  });
}

describe("a client behind nginx with nginx's defaults", SUITE, () => {
  keepsItsPromises(behindNginx(defaults));
});

describe("a client behind nginx with the manual's block", SUITE, () => {
  const way = behindNginx(readmeBlock);
  keepsItsPromises(way);

  it('comes back with its id to a server that was killed and away for 10 s', TEST, async (t) => {
    const { path, lastId } = await isToldOfTheGap(t, open, way, AWAY);

    const inVain = (await path.nginx.requests()).filter(({ upstreamStatus }) => upstreamStatus === '502');
    assert.ok(inVain.length > 1, 'it asked again and again');
    assert.deepEqual(new Set(inVain.map(({ lastEventId }) => lastEventId)), new Set([lastId]));
  });

  it('misses nothing when the server was out of reach for 10 s', TEST, async (t) => {
    const server = await Server.start(t);
    const { url, back } = await way(t, server);
    const client = await openClient(t, open, url);
    const ids = [await server.publish({ data: 'before' })];
    await gets(client, ids[0]);

    await back.refuse();
    ids.push(await server.publish({ data: 'meanwhile' }));
    await delay(AWAY);
    await back.accept();
    ids.push(await server.publish({ data: 'after' }));
    await gets(client, ids[2]);

    assertExactly(client, ids);
  });

  it('is told the truth when it publishes while the server is away', TEST, async (t) => {
    const server = await Server.start(t, { key: 'correct-horse-battery' });
    const { url } = await way(t, server);
    await server.kill();
    const headers = { authorization: 'Bearer correct-horse-battery' };
    for (const [method, path] of [['POST', '/events'], ['POST', '/events/'], ['GET', '/events/hello']]) {
      const { status } = await request(url + path, { method, headers });
      assert.ok(status >= 502 && status <= 504, `${method} ${path} was answered ${status}`);
    }
  });
});
