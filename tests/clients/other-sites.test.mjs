// Who may publish, asked with a real browser: pages of other sites may not, by no means that a page has;
// the server's own page and the address bar may.
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { after, before, describe, it } from 'node:test';

import { emptyPage, launch, newContext, newPage } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { Site } from './support/site.mjs';
import { published } from './support/sse.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** What a page can do without asking, given the URL of the stream. None of it is preflighted. */
const MEANS = {
  'a fetch of text': (events) =>
    `<script>fetch('${events}', { method: 'POST', mode: 'no-cors', body: 'pwned' })</script>`,
  'a beacon': (events) => `<script>navigator.sendBeacon('${events}', 'pwned')</script>`,
  'a form': (events) => `
    <form method="post" action="${events}"><input name="data" value="pwned"></form>
    <script>document.forms[0].submit()</script>`,
  'a form that looks like JSON': (events) => `
    <form method="post" enctype="text/plain" action="${events}">
      <input name='{"data":"pwned","id":"' value='"}'>
    </form>
    <script>document.forms[0].submit()</script>`,
  'a form without referrer': (events) => `
    <meta name="referrer" content="no-referrer">
    <form method="post" action="${events}"><input name="data" value="pwned"></form>
    <script>document.forms[0].submit()</script>`,
  'an image': (events) => `<img src="${events}/pwned">`,
  'an image without referrer': (events) => `<img referrerpolicy="no-referrer" src="${events}/pwned">`,
  'a script': (events) => `<script src="${events}/pwned"></script>`,
  'a frame': (events) => `<iframe src="${events}/pwned"></iframe>`,
  'a stream': (events) => `<script>new EventSource('${events}/pwned')</script>`,
  'a prefetch': (events) => `<link rel="prefetch" href="${events}/pwned">`,
  'a prefetch without referrer': (events) =>
    `<link rel="prefetch" referrerpolicy="no-referrer" href="${events}/pwned">`,
  'a link that is followed': (events) => `
    <a href="${events}/pwned">look</a>
    <script>document.querySelector('a').click()</script>`,
  'a link that is followed without referrer': (events) => `
    <a rel="noreferrer" href="${events}/pwned">look</a>
    <script>document.querySelector('a').click()</script>`,
};

/** The status of the answer to a request under `url` that `act` causes. */
async function statusOf(page, url, act) {
  let status;
  page.on('response', (response) => {
    if (response.url().startsWith(url)) status ??= response.status();
  });

  // An answer that the browser keeps from the page, such as JSON for an image, is seen only here.
  const session = await page.context().newCDPSession(page);
  const requests = new Set();
  const statuses = new Map();
  session.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (request.url.startsWith(url)) requests.add(requestId);
  });
  session.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => {
    statuses.set(requestId, statusCode);
  });
  await session.send('Network.enable');

  await act();
  return until(() => status ?? [...requests].map((id) => statuses.get(id)).find(Boolean), `an answer from ${url}`);
}

/** Nothing but `expected` was published: a sentinel that is published now comes right behind it. */
async function assertPublished(server, listener, expected) {
  await server.publish({ data: 'sentinel' });
  await until(() => published(listener.events).at(-1)?.data === 'sentinel', 'the sentinel');
  assert.deepEqual(published(listener.events).map(({ data }) => data), [...expected, 'sentinel']);
}

/** A page at `host`, not the server's, tries every means to publish to the server at `target`. */
async function cannotPublish(t, host, target, server) {
  const site = await Site.start(t);
  const listener = await server.subscribe('?topic=*');
  const context = await newContext(t, browser);
  const url = `http://${target}:${server.port}/events`;
  for (const [name, html] of Object.entries(MEANS)) {
    await t.test(`by ${name}`, TEST, async () => {
      const page = await context.newPage();
      const path = site.serve(html(url));
      const attack = () => page.goto(`http://${host}:${site.port}${path}`, { waitUntil: 'commit' });
      assert.equal(await statusOf(page, url, attack), 403);
    });
  }
  await assertPublished(server, listener, []);
}

const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const withoutAddress = ownAddress === undefined && 'this machine has no address but loopback';

describe('a page of another site cannot publish', { ...SUITE, concurrency: 2 }, () => {
  for (const host of ['evil.test', '127.0.0.1']) {
    for (const target of ['127.0.0.1', 'localhost']) {
      it(`from ${host} to ${target}`, TEST, async (t) => {
        await cannotPublish(t, host, target, await Server.start(t));
      });
    }
  }

  it('to a name that is not loopback', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--allow-anonymous-publish'] });
    await cannotPublish(t, 'evil.test', 'events.test', server);
  });

  it('to an address that is not loopback', { ...TEST, skip: withoutAddress }, async (t) => {
    const server = await Server.start(t, { listen: '0.0.0.0:0', args: ['--allow-anonymous-publish'] });
    await cannotPublish(t, 'evil.test', ownAddress, server);
  });
});

it('an image that is asked for over plain HTTP can leave no sign of the page that asks', TEST, async (t) => {
  const [evil, events] = [await Site.start(t), await Site.start(t)];
  const path = evil.serve(MEANS['an image without referrer'](`http://events.test:${events.port}/events`));
  const page = await newPage(t, browser);
  await page.goto(`http://evil.test:${evil.port}${path}`);
  const { headers } = await until(() => events.requests[0], 'the image to be asked for');
  const signs = Object.keys(headers).filter((name) => /^(origin|referer|sec-fetch-.*)$/.test(name));
  assert.deepEqual(signs, [], 'were there one, every GET without it need no longer be refused');
});

describe('nothing is published', SUITE, () => {
  it("by a prefetch of the server's own origin", TEST, async (t) => {
    const server = await Server.start(t);
    const listener = await server.subscribe('?topic=*');
    const page = await emptyPage(t, browser, server.url);
    const prefetch = () => page.evaluate(() => {
      const link = document.createElement('link');
      Object.assign(link, { rel: 'prefetch', href: '/events/pwned' });
      document.head.append(link);
    });
    assert.equal(await statusOf(page, `${server.url}/events`, prefetch), 403);
    await assertPublished(server, listener, []);
  });

  for (const args of [[], ['--allow-anonymous-publish']]) {
    it(`by a page whose host name was rebound to the server, ${args[0] ?? 'as it starts'}`, TEST, async (t) => {
      const server = await Server.start(t, { args });
      const listener = await server.subscribe('?topic=*');
      const page = await newPage(t, browser);
      await page.goto(`http://evil.test:${server.port}/`);
      const statuses = await page.evaluate(() => Promise.all([
        fetch('events', { method: 'POST', body: 'pwned' }),
        fetch('events', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"data":"pwned"}' }),
        fetch('events/pwned'),
        fetch('events/pwned', { referrerPolicy: 'no-referrer' }),
      ].map(async (answer) => (await answer).status)));
      assert.deepEqual(statuses, [403, 403, 403, 403]);
      await assertPublished(server, listener, []);
    });
  }

  for (const method of ['HEAD', 'OPTIONS']) {
    it(`by ${method}, which is answered at once`, TEST, async (t) => {
      const server = await Server.start(t);
      const listener = await server.subscribe('?topic=*');
      for (const path of ['/events', '/events/', '/events/pwned']) {
        const { status, body } = await request(server.url + path, { method });
        assert.ok(status < 300, `${path} was answered ${status}`);
        assert.equal(body, '');
      }
      await assertPublished(server, listener, []);
    });
  }

  it('by the address bar on an address that is not loopback, where an image looks the same', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--allow-anonymous-publish'] });
    const listener = await server.subscribe('?topic=*');
    const page = await newPage(t, browser);
    const response = await page.goto(`http://events.test:${server.port}/events/hi`);
    assert.equal(response.status(), 403);
    assert.match(await response.text(), /POST/, 'it says what to do instead');
    await assertPublished(server, listener, []);
  });
});

describe('admitted is', SUITE, () => {
  const post = () => fetch('events', { method: 'POST', body: 'hello' }).then((answer) => answer.status);

  for (const host of ['127.0.0.1', 'localhost']) {
    it(`the server's own page on ${host}`, TEST, async (t) => {
      const server = await Server.start(t);
      const listener = await server.subscribe('?topic=*');
      const page = await newPage(t, browser);
      await page.goto(`http://${host}:${server.port}/`);
      assert.equal(await page.evaluate(post), 200);
      await assertPublished(server, listener, ['hello']);
    });

    it(`the address bar on ${host}`, TEST, async (t) => {
      const server = await Server.start(t);
      const listener = await server.subscribe('?topic=*');
      const page = await newPage(t, browser);
      const response = await page.goto(`http://${host}:${server.port}/events/hello%20there`);
      assert.deepEqual([response.status(), await response.text()], [200, 'msg sent']);
      await assertPublished(server, listener, ['hello there']);
    });
  }

  it("the server's own page on an address that is not loopback", { ...TEST, skip: withoutAddress }, async (t) => {
    const server = await Server.start(t, { listen: '0.0.0.0:0', args: ['--allow-anonymous-publish'] });
    const listener = await server.subscribe('?topic=*');
    const page = await newPage(t, browser);
    await page.goto(`http://${ownAddress}:${server.port}/`);
    assert.equal(await page.evaluate(post), 200);
    await assertPublished(server, listener, ['hello']);
  });

  it('a page of an origin in --publish-origin, JSON and its preflight too, and no other', TEST, async (t) => {
    const site = await Site.start(t);
    const path = site.serve('');
    const server = await Server.start(t, { args: ['--publish-origin', `http://friend.test:${site.port}`] });
    const listener = await server.subscribe('?topic=*');
    const page = await newPage(t, browser);
    const publishFrom = async (host) => {
      await page.goto(`http://${host}:${site.port}${path}`);
      return page.evaluate((url) => fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"data":"hello"}',
      }).then((answer) => answer.status, () => 'refused'), `${server.url}/events`);
    };
    assert.equal(await publishFrom('friend.test'), 200);
    assert.equal(await publishFrom('evil.test'), 'refused');
    await assertPublished(server, listener, ['hello']);
  });
});

describe('a page of another site reads', SUITE, () => {
  const read = (url) => new Promise((resolve) => {
    const source = new EventSource(url);
    source.addEventListener('connected', () => resolve('connected'));
    source.addEventListener('error', () => resolve('refused'));
  });

  it('where --cors-origin names it, and nowhere else', TEST, async (t) => {
    const site = await Site.start(t);
    const path = site.serve('');
    const server = await Server.start(t, { args: ['--cors-origin', `http://friend.test:${site.port}`] });
    const page = await newPage(t, browser);
    const readFrom = async (host) => {
      await page.goto(`http://${host}:${site.port}${path}`);
      return page.evaluate(read, `${server.url}/events`);
    };
    assert.equal(await readFrom('friend.test'), 'connected');
    assert.equal(await readFrom('evil.test'), 'refused');
  });
});

describe('over a WebSocket', SUITE, () => {
  /** What becomes of a page that opens one and publishes on it: the server's answer, or that it was closed. */
  const talk = (url) => new Promise((resolve) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    const read = [];
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      read.push(message.type ?? message.data);
      if (message.type === 'connected') socket.send('{"data":"said"}');
      if (message.type === 'published' || message.type === 'refused') {
        resolve({ reads: read[0] === 'connected', type: message.type, ...(message.code && { code: message.code }) });
      }
    };
    socket.onclose = () => resolve({ reads: read.length > 0, type: 'closed' });
  });

  async function talkFrom(t, page, server, target = '127.0.0.1') {
    const listener = await server.subscribe('?topic=*');
    const context = await newContext(t, browser);
    const tab = await context.newPage();
    await tab.goto(page);
    const outcome = await tab.evaluate(talk, `http://${target}:${server.port}/ws?topic=*`);
    await assertPublished(server, listener, outcome.type === 'published' ? ['said'] : []);
    return outcome;
  }

  async function foreignPage(t, host) {
    const site = await Site.start(t);
    return { origin: `http://${host}:${site.port}`, url: `http://${host}:${site.port}${site.serve('')}` };
  }

  for (const host of ['evil.test', '127.0.0.1', 'localhost']) {
    for (const target of ['127.0.0.1', 'localhost']) {
      it(`a page of another site, ${host}, can neither read nor publish on ${target}`, TEST, async (t) => {
        const server = await Server.start(t);
        const page = await foreignPage(t, host);
        assert.deepEqual(await talkFrom(t, page.url, server, target), { reads: false, type: 'closed' });
      });
    }
  }

  it('a page of another site can do neither where everybody else may', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--allow-anonymous-publish'] });
    const page = await foreignPage(t, 'evil.test');
    assert.deepEqual(await talkFrom(t, page.url, server, 'events.test'), { reads: false, type: 'closed' });
  });

  it('a page of an origin in --cors-origin reads and cannot publish', TEST, async (t) => {
    const page = await foreignPage(t, 'friend.test');
    const server = await Server.start(t, { args: ['--cors-origin', page.origin] });
    assert.deepEqual(await talkFrom(t, page.url, server), { reads: true, type: 'refused', code: 'foreign_page' });
  });

  it('a page of an origin in --publish-origin does both', TEST, async (t) => {
    const page = await foreignPage(t, 'friend.test');
    const server = await Server.start(t, { args: ['--publish-origin', page.origin] });
    assert.deepEqual(await talkFrom(t, page.url, server), { reads: true, type: 'published' });
  });

  it('a page whose host name was rebound to the server can neither load, read nor publish', TEST, async (t) => {
    const server = await Server.start(t);
    const context = await newContext(t, browser);
    const tab = await context.newPage();
    const loaded = await tab.goto(`http://evil.test:${server.port}/`);
    assert.equal(loaded.status(), 403);
    assert.equal((await loaded.json()).code, 'foreign_host');
    // It runs under the rebound name, as a page would that had loaded before.
    const status = (path) => tab.evaluate(async (url) => (await fetch(url)).status, path);
    for (const path of ['/events', '/events?topic=a&last=1', '/signals?name=a', '/signals/a', '/metrics']) {
      assert.equal(await status(path), 403, path);
    }
    const outcome = await tab.evaluate(talk, `http://evil.test:${server.port}/ws?topic=*`);
    assert.deepEqual(outcome, { reads: false, type: 'closed' });
  });

  it('a page has no way to bring a key', TEST, async (t) => {
    const server = await Server.start(t, { key: 'secret-of-the-server' });
    const outcome = await talkFrom(t, `${server.url}/`, server);
    assert.deepEqual(outcome, { reads: true, type: 'refused', code: 'key_missing' });
  });

  for (const host of ['127.0.0.1', 'localhost']) {
    it(`the server's own page on ${host} does both`, TEST, async (t) => {
      const server = await Server.start(t);
      const outcome = await talkFrom(t, `http://${host}:${server.port}/`, server, host);
      assert.deepEqual(outcome, { reads: true, type: 'published' });
    });
  }
});
