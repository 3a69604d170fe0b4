// Who may write a signal, asked with a real browser, and what its EventSource reads of one.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { Site } from './support/site.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const JSON_TYPE = { 'content-type': 'application/json' };

async function serverWithSignal(t, options) {
  const server = await Server.start(t, options);
  const { status } = await request(`${server.url}/signals/a`, { method: 'PUT', headers: JSON_TYPE, body: '{"v":1}' });
  assert.equal(status, 201);
  return server;
}

async function document(server) {
  return JSON.parse((await request(`${server.url}/signals/a`)).body);
}

/** In a page: what becomes of a write by each method, the status or that it was not allowed to be sent. */
function writeByEachMethod(url) {
  const write = async (method, type, body) => {
    const headers = type ? { 'content-type': type } : {};
    return fetch(url, { method, headers, body }).then(({ status }) => status, () => 'not sent');
  };
  return Promise.all([
    write('PUT', 'application/json', '{"v":"pwned"}'),
    write('PUT', 'text/plain', '{"v":"pwned"}'),
    write('PATCH', 'application/merge-patch+json', '{"v":"pwned"}'),
    write('PATCH', 'application/json-patch+json', '[{"op":"replace","path":"/v","value":"pwned"}]'),
    write('DELETE'),
    write('POST', 'text/plain', '{"v":"pwned"}'),
  ]);
}

describe('a signal is not written', SUITE, () => {
  for (const host of ['evil.test', '127.0.0.1']) {
    it(`by a page of another site at ${host}`, TEST, async (t) => {
      const server = await serverWithSignal(t);
      const site = await Site.start(t);
      const page = await newPage(t, browser);
      await page.goto(`http://${host}:${site.port}${site.serve('')}`);
      const sent = await page.evaluate(writeByEachMethod, `${server.url}/signals/a`);
      assert.deepEqual(new Set(sent), new Set(['not sent']));
      assert.deepEqual(await document(server), { v: 1 });
    });
  }

  for (const args of [[], ['--allow-anonymous-publish']]) {
    it(`by a page whose host name was rebound to the server, ${args[0] ?? 'as it starts'}`, TEST, async (t) => {
      const server = await serverWithSignal(t, { args });
      const page = await newPage(t, browser);
      await page.goto(`http://evil.test:${server.port}/`);
      const sent = await page.evaluate(writeByEachMethod, 'signals/a');
      assert.deepEqual(sent, [403, 403, 403, 403, 403, 405]);
      assert.deepEqual(await document(server), { v: 1 });
    });
  }
});

describe('a signal is written and read', SUITE, () => {
  it("by the server's own page", TEST, async (t) => {
    const server = await serverWithSignal(t);
    const page = await newPage(t, browser);
    await page.goto(`${server.url}/`);
    const patched = await page.evaluate(async () => {
      const headers = { 'content-type': 'application/merge-patch+json' };
      const answer = await fetch('signals/a', { method: 'PATCH', headers, body: '{"v":2}' });
      return [answer.status, await answer.json()];
    });
    assert.deepEqual(patched, [200, { v: 2 }]);
  });

  it('by a page of a listed origin, preflights and conditions too', TEST, async (t) => {
    const site = await Site.start(t);
    const origin = `http://friend.test:${site.port}`;
    const server = await serverWithSignal(t, { args: ['--publish-origin', origin, '--cors-origin', origin] });
    const page = await newPage(t, browser);
    await page.goto(origin + site.serve(''));
    const statuses = await page.evaluate(async (url) => {
      const read = await fetch(url);
      const write = (body) => fetch(url, {
        method: 'PUT', body, headers: { 'content-type': 'application/json', 'if-match': read.headers.get('etag') },
      });
      return [(await write('{"v":2}')).status, (await write('{"v":3}')).status];
    }, `${server.url}/signals/a`);
    assert.deepEqual(statuses, [200, 412]);
    assert.deepEqual(await document(server), { v: 2 });
  });

  it('by an EventSource, which is told the document whole and then its changes', TEST, async (t) => {
    const server = await serverWithSignal(t);
    const page = await newPage(t, browser);
    await page.goto(`${server.url}/`);
    await page.evaluate(() => {
      window.updates = [];
      const source = new EventSource('signals?name=a');
      source.onmessage = ({ data, lastEventId }) => window.updates.push([JSON.parse(data).patch[0], lastEventId]);
    });
    const updates = () => page.evaluate(() => window.updates);
    await until(async () => (await updates()).length === 1, 'the document');
    const [[whole, id]] = await updates();
    assert.deepEqual([whole, id], [{ op: 'replace', path: '', value: { v: 1 } }, '']);
    await request(`${server.url}/signals/a`, { method: 'PUT', headers: JSON_TYPE, body: '{"v":2}' });
    await until(async () => (await updates()).length === 2, 'the change');
    assert.deepEqual((await updates())[1][0], { op: 'replace', path: '/v', value: 2 });
  });
});
