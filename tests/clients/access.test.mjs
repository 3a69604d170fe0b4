// Private events in Chromium: the cookie of an application's session, renewed on `expiring`.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

/** How long a grant lasts, in seconds: streams end several times in a test. */
const GRANT_SECONDS = 2;
const KEY = 'key-of-the-application';
const PAGE = '<!doctype html><link rel=icon href="data:,">';

/** An application with sessions of one user. A renewed session has another cookie, and the old one ends. */
class Application {
  #sessions = new Set();
  #count = 0;
  isSignedIn = true;

  static async start(t) {
    const application = new Application();
    const server = createServer((request, response) => application.#respond(request, response));
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    t.after(() => server.close());
    application.url = `http://127.0.0.1:${server.address().port}`;
    return application;
  }

  #respond(request, response) {
    if (request.url === '/sse/access') return this.#grant(request, response);
    if (this.isSignedIn) {
      const session = `session-${this.#count += 1}`;
      this.#sessions.delete(sessionOf(request));
      this.#sessions.add(session);
      response.setHeader('set-cookie', `sid=${session}; HttpOnly; SameSite=Lax; Path=/`);
    }
    return response.setHeader('content-type', 'text/html').end(PAGE);
  }

  #grant(request, response) {
    if (!this.isSignedIn || !this.#sessions.has(sessionOf(request))) return response.writeHead(401).end();
    const grants = { user: 'anna', ttl: GRANT_SECONDS, subscribe: ['users/anna'], publish: [] };
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(grants));
  }
}

const sessionOf = (request) => /sid=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Opens the application's page, whose EventSource renews the session when it is told to. */
async function open(t, application, server, page) {
  page ??= await newPage(t, browser);
  await page.goto(application.url);
  await page.evaluate((url) => {
    window.got = [];
    window.renewed = 0;
    window.opened = 0;
    window.source = new EventSource(url, { withCredentials: true });
    window.source.onopen = () => window.opened += 1;
    window.source.onmessage = ({ data }) => window.got.push(Number(data));
    window.source.addEventListener('gap', () => window.got.push('gap'));
    window.source.addEventListener('expiring', async () => {
      window.renewed += 1;
      await fetch('/session', { method: 'POST' });
    });
  }, `${server.url}/events?topic=users/anna`);
  await until(() => page.evaluate(() => window.opened), 'the stream to open');
  return page;
}

function start(t, application, access) {
  const args = [
    '--subscribe-access', access, '--authorize-url', `${application.url}/sse/access`,
    '--cors-origin', application.url,
  ];
  return Server.start(t, { args, key: KEY });
}

describe('an EventSource with the session of an application', SUITE, () => {
  it('renews its session on expiring, and gets every private event once over several ends of a grant', TEST, async (t) => {
    const application = await Application.start(t);
    const server = await start(t, application, 'private-events');
    const page = await open(t, application, server);
    let published = 0;
    await until(async () => {
      await server.publish({ topic: 'users/anna', private: true, data: String(published) });
      published += 1;
      return await page.evaluate(() => window.opened) > 2;
    }, 'two reconnects');
    await until(async () => await page.evaluate(() => window.got.length) >= published, 'all events');
    assert.deepEqual(await page.evaluate(() => window.got), Array.from({ length: published }, (_, number) => number));
    assert.ok(await page.evaluate(() => window.renewed) >= 2);
  });

  it('of a visitor who is not signed in gets what is public, and no private event', TEST, async (t) => {
    const application = await Application.start(t);
    application.isSignedIn = false;
    const server = await start(t, application, 'private-events');
    // Every visitor has some cookie.
    const page = await newPage(t, browser);
    await page.context().addCookies([{ name: 'sid', value: 'old', url: application.url }]);
    await open(t, application, server, page);
    await server.publish({ topic: 'users/anna', private: true, data: '1' });
    await server.publish({ topic: 'users/anna', data: '2' });
    await until(async () => await page.evaluate(() => window.got.length) === 1, 'the public event');
    assert.deepEqual(await page.evaluate(() => window.got), [2]);
  });

  it('ends for good once the user has signed out, where everything needs a grant', TEST, async (t) => {
    const application = await Application.start(t);
    const server = await start(t, application, 'closed');
    const page = await open(t, application, server);
    await server.publish({ topic: 'users/anna', private: true, data: '1' });
    await until(async () => await page.evaluate(() => window.got.length) === 1, 'the event');
    application.isSignedIn = false;
    await until(async () => await page.evaluate(() => window.source.readyState) === 2, 'the end of the stream');
    await server.publish({ topic: 'users/anna', private: true, data: '2' });
    assert.deepEqual(await page.evaluate(() => window.got), [1]);
  });
});
