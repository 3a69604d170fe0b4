// The browser client in Node.js, against the real server: what becomes of a stream by what the server and the network do.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { load } from './support/client-build.mjs';
import { Forwarder } from './support/forwarder.mjs';
import { Front } from './support/front.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Proxy } from './support/proxy.mjs';
import { startRedis } from './support/redis.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { jwt, SECRET } from './support/tokens.mjs';
import { until } from './support/until.mjs';

const { subscribe, signal } = await load('index.ts');
const { createHub } = await load('hub.ts');

/** Adds patches to the stream of documents that no server of today sends. */
class Patching extends Forwarder {
  requests = 0;
  #stream;

  static async start(t, target) {
    const front = new Patching();
    await front.open(t, target);
    return front;
  }

  respond(request, response) {
    this.requests += 1;
    this.#stream = response;
    // Patches are written as text between what the server sends.
    delete request.headers['accept-encoding'];
    this.forward(request, response);
  }

  patch(operations) {
    this.#stream.write(`data: ${JSON.stringify({ name: 'doc', patch: operations })}\n\n`);
  }
}

/** Cuts each page of history after so many bytes, and keeps what was requested. */
class Narrow extends Forwarder {
  limits = [];

  static async start(t, target, most) {
    const front = new Narrow();
    front.most = most;
    await front.open(t, target);
    return front;
  }

  respond(request, response) {
    const limit = new URL(request.url, this.url).searchParams.get('limit');
    if (limit) this.limits.push(limit);
    let sent = 0;
    this.forward(request, response, (answer) => limit && answer.on('data', ({ length }) => {
      if ((sent += length) > this.most) response.destroy();
    }));
  }
}

/** A subscription that keeps what comes. */
function follow(t, url, options) {
  const found = { got: [], gaps: [], states: [], problems: [] };
  const onState = (state, problem) => {
    found.states.push(state);
    if (problem) found.problems.push(problem);
  };
  const subscription = subscribe({
    url: `${url}/events`, topics: 'news', onEvent: ({ data }) => found.got.push(data), onGap: (gap) => found.gaps.push(gap), onState, ...options,
  });
  t.after(() => subscription.close());
  return Object.assign(found, { subscription, isOpen: () => until(() => subscription.state === 'open', () => `open, after ${found.states}`) });
}

async function restartable(t, ...args) {
  const directory = await mkdtemp(join(tmpdir(), 'sse-broadcaster-client-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return Server.start(t, { args: ['--data-dir', directory, ...args] });
}

/** Responses of pages of history wait here, by the origin of their server, until they are let through. */
const gates = new Map();
/** Where they are read instead, by the same. */
const others = new Map();
const fetchAtOnce = globalThis.fetch;
globalThis.fetch = async (url, init) => {
  const { origin } = new URL(url);
  const isPage = init.headers.accept === 'application/json';
  const response = await fetchAtOnce(isPage && others.has(origin) ? url.replace(origin, others.get(origin)) : url, init);
  if (isPage) await gates.get(origin)?.promise;
  return response;
};

function closeGate(server) {
  const gate = {};
  gate.promise = new Promise((resolve) => { gate.open = resolve; });
  gates.set(server.url, gate);
  return gate.open;
}

const has = (found, ...expected) => until(() => found.got.length >= expected.length, () => `${expected}, there are ${found.got}`)
  .then(() => assert.deepEqual(found.got, expected));
/** The newest event that this node has. */
async function newest({ url }) {
  const { body } = await request(`${url}/events?topic=*&last=1`, { headers: { accept: 'application/json' } });
  return JSON.parse(body).events[0]?.data;
}

const news = (server, data) => server.publish({ topic: 'news', data });

describe('the client in Node.js', SUITE, () => {
  it('gets events after kills and cuts exactly once, also one of 3 MB', TEST, async (t) => {
    const server = await restartable(t, '--max-event-bytes', '4000000', '--window-bytes', '100000000');
    const proxy = await Proxy.start(t, server.port);
    const found = follow(t, proxy.url);
    await found.isOpen();
    await news(server, 'a');
    proxy.reset();
    await news(server, 'b');
    await server.kill();
    await server.startAgain();
    await news(server, 'c');
    const long = '"\n\\é'.repeat(750_000);
    await news(server, long);
    proxy.endAfter(1_000_000);
    await has(found, 'a', 'b', 'c', long);
    assert.deepEqual(found.gaps, []);
  });

  it('begins where it is told to, and never with events from before it subscribed', TEST, async (t) => {
    const server = await Server.start(t);
    await news(server, 'a');
    const second = await news(server, 'b');
    await server.publish({ topic: 'sport', data: 'c' });
    const live = follow(t, server.url);
    await live.isOpen();
    const starts = [
      [{ since: 'earliest' }, 'a', 'b'], [{ last: 1 }, 'b'], [{ lastEventId: second }], [{ topics: '*', since: '1h' }, 'a', 'b', 'c'],
      [{ topics: ['sport', 'news'] }], [{ topics: 'sport', last: 5 }, 'c'],
    ].map(([options, ...expected]) => [follow(t, server.url, options), expected]);
    await Promise.all(starts.map(([found]) => found.isOpen()));
    await server.publish({ topics: ['news', 'sport'], data: 'd' });
    for (const [found, expected] of [[live, []], ...starts]) await has(found, ...expected, 'd');
  });

  it('gets the last event of its topics first where a rule keeps it, also when it shares a stream', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--topic-rule', 'news=latest', '--history-events', '16'] });
    await news(server, 'old');
    await news(server, 'kept');
    for (let number = 0; number < 16; number++) await server.publish({ topic: 'sport', data: 'x' });
    const proxy = await Proxy.start(t, server.port);
    const first = follow(t, proxy.url);
    await has(first, 'kept');
    await first.isOpen();
    const second = follow(t, proxy.url);
    await has(second, 'kept');
    await second.isOpen();
    await news(server, 'live');
    await has(first, 'kept', 'live');
    await has(second, 'kept', 'live');
    proxy.reset();
    await news(server, 'later');
    for (const found of [first, second]) await has(found, 'kept', 'live', 'later');
    assert.deepEqual([first.gaps, second.gaps], [[], []]);
  });

  it('reads history where each response is cut after 400 kB, with fewer events at a time', TEST, async (t) => {
    const server = await Server.start(t);
    const first = await news(server, 'first');
    const expected = Array.from({ length: 20 }, (_, number) => `${number} ${'x'.repeat(50_000)}`);
    for (const data of expected) await news(server, data);
    const narrow = await Narrow.start(t, server.port, 400_000);
    const found = follow(t, narrow.url, { lastEventId: first });
    await has(found, ...expected);
    assert.deepEqual(narrow.limits.slice(0, 3), ['6', '25', '6']);
    assert.deepEqual(found.gaps, []);
  });

  it('throws at once for names and options that no request can carry', () => {
    const refused = (options) => assert.throws(() => subscribe({ url: 'http://127.0.0.1:1/events', topics: 'news', onEvent() {}, ...options }), { name: /TypeError|DataCloneError/ });
    for (const topics of ['x\ud800', ['news', '\udc00'], '', [], [''], undefined, 5, [null], new Set(['news']), ['news', {}]]) {
      assert.throws(() => subscribe({ url: 'http://127.0.0.1:1/events', topics, onEvent() {} }), /^TypeError: Not a topic: /);
    }
    for (const name of ['x\ud800', '', undefined]) {
      assert.throws(() => signal(name, { url: 'http://127.0.0.1:1/signals' }), /^TypeError: Not a name: /);
    }
    for (const options of [{ credentials: 'all' }, { url: 'http://user:secret@127.0.0.1:1/' }, { identity: () => '17' }, { heartbeat: Symbol('15') }]) refused(options);
    subscribe({ url: 'http://127.0.0.1:1/events', topics: ['𝄞', 'a\nb'], onEvent() {} }).close();
  });

  it('goes on with the others where a tab of another version subscribes to a lone surrogate', TEST, async (t) => {
    const server = await Server.start(t);
    const config = ['topic', `${server.url}/events`, null, undefined, 15, false];
    const sent = [];
    const hub = createHub();
    t.after(() => hub._close());
    const post = hub._join((message) => sent.push(message));
    post([0, 1, config, ['x\ud800'], '']);
    post([0, 2, config, ['news'], '']);
    await until(() => sent.some(([, number, state]) => number === 2 && state === 'open'), () => `open, after ${JSON.stringify(sent)}`);
    await news(server, 'a');
    await until(() => sent.some(([, number, value]) => number === 2 && value.data === 'a'), () => `the event, after ${JSON.stringify(sent)}`);
  });

  it('says of a token that no header can carry that it failed', TEST, async (t) => {
    const server = await Server.start(t);
    const found = follow(t, server.url, { token: () => 'zähler\u2028' });
    await until(() => found.problems.length, 'a problem');
    assert.equal(found.problems[0].code, 'token_failed');
    assert.match(found.problems[0].detail, /TypeError/);
  });

  it('reads 2,500 events of history while others are published, in order', TEST, async (t) => {
    const server = await Server.start(t);
    const lines = (from, to) => Array.from({ length: to - from }, (_, number) => JSON.stringify({ topic: 'news', data: String(from + number) })).join('\n');
    const publish = (from, to) => request(`${server.url}/events`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: lines(from, to) });
    await publish(0, 2500);
    const found = follow(t, server.url, { since: 'earliest' });
    await until(() => found.got.length > 0, 'the first events');
    for (let from = 2500; from < 5000; from += 500) await publish(from, from + 500);
    await has(found, ...Array.from({ length: 5000 }, (_, number) => String(number)));
  });

  for (const [name, count, data] of [['holds', 3, 'live'], ['does not hold more than 4 MiB of', 8, 'x'.repeat(900_000)]]) {
    it(`${name} what comes while history is read, and gets it all in order`, TEST, async (t) => {
      const server = await Server.start(t);
      await news(server, 'old');
      const live = follow(t, server.url);
      await live.isOpen();
      const open = closeGate(server);
      const found = follow(t, server.url, { since: 'earliest' });
      await found.isOpen();
      const expected = Array.from({ length: count }, (_, number) => `${number} ${data}`);
      for (const each of expected) await news(server, each);
      await has(live, ...expected);
      assert.deepEqual(found.got, []);
      open();
      await has(found, 'old', ...expected);
      await news(server, 'new');
      await has(found, 'old', ...expected, 'new');
    });
  }

  it('goes on behind its position if another topic ends a stream that has not brought everything', TEST, async (t) => {
    const server = await Server.start(t);
    const proxy = await Proxy.start(t, server.port);
    const found = follow(t, proxy.url);
    await found.isOpen();
    await news(server, 'a');
    await has(found, 'a');
    proxy.hold();
    await news(server, 'b');
    const other = follow(t, proxy.url, { topics: ['sport', 'news'] });
    await other.isOpen();
    await has(found, 'a', 'b');
    await news(server, 'c');
    await has(found, 'a', 'b', 'c');
    await has(other, 'c');
  });

  it('does not get from the stream again what history had before it', TEST, async (t) => {
    const server = await Server.start(t);
    const proxy = await Proxy.start(t, server.port);
    others.set(proxy.url, server.url);
    const first = follow(t, proxy.url);
    await first.isOpen();
    await news(server, 'a');
    await has(first, 'a');
    proxy.hold();
    await news(server, 'b');
    const older = follow(t, proxy.url, { since: 'earliest' });
    await has(older, 'a', 'b');
    proxy.release();
    await news(server, 'c');
    await has(first, 'a', 'b', 'c');
    await has(older, 'a', 'b', 'c');

    proxy.hold();
    await news(server, 'd');
    const another = follow(t, proxy.url, { since: 'earliest' });
    await has(another, 'a', 'b', 'c', 'd');
    // It leaves that stream while it is ahead of it.
    const sport = follow(t, proxy.url, { topics: ['sport', 'news'] });
    await sport.isOpen();
    await news(server, 'e');
    for (const found of [first, older, another]) await has(found, 'a', 'b', 'c', 'd', 'e');
    await has(sport, 'e');
  });

  it('is exact where streams and history come from different nodes', TEST, async (t) => {
    const redis = await startRedis(t);
    const [node, other] = await Promise.all([1, 2].map(() => Server.start(t, { args: ['--redis-url', redis] })));
    others.set(node.url, other.url);
    const followed = [];
    for (let number = 0; number < 40; number++) {
      await other.publish({ topics: ['news', `topic-${number % 4}`], data: String(number) });
      // Each new topic is a new stream, behind which the others catch up.
      if (number % 10 === 5) {
        await until(async () => (await newest(node)) === String(number), 'the event on the other node');
        const topics = ['news', `extra-${number}`];
        followed.push([number + 1, follow(t, node.url, { topics })], [0, follow(t, node.url, { topics, since: 'earliest' })]);
        await followed.at(-1)[1].isOpen();
        await followed.at(-2)[1].isOpen();
      }
    }
    const numbers = Array.from({ length: 40 }, (_, number) => String(number));
    for (const [from, found] of followed) await has(found, ...numbers.slice(from));
  });

  it('reports what was lost, once, and goes on', TEST, async (t) => {
    const server = await Server.start(t);
    const found = follow(t, server.url);
    const other = follow(t, server.url, { topics: 'sport' });
    await Promise.all([found.isOpen(), other.isOpen()]);
    const last = await news(server, 'a');
    await has(found, 'a');
    await server.kill();
    await server.startAgain();
    await until(() => found.gaps.length && other.gaps.length, 'a gap for each');
    await news(server, 'b');
    await has(found, 'a', 'b');
    assert.deepEqual([found.gaps, other.gaps].map(([{ requested }, ...more]) => [requested, more.length]), [[last, 0], [last, 0]]);
  });

  it('waits after 502 and for as long as Retry-After says, and stops after 204', TEST, async (t) => {
    const server = await Server.start(t);
    const front = await Front.start(t, server.port);
    front.fail(502);
    const found = follow(t, front.url);
    await until(() => found.problems[0], 'the problem');
    assert.deepEqual([found.problems[0].code, found.problems[0].status], ['http_502', 502]);
    front.failHeaders = { 'retry-after': '1' };
    front.fail(503);
    await until(() => found.problems.find(({ status }) => status === 503), 'the problem');
    assert.ok(found.problems.find(({ status }) => status === 503).retryIn >= 1000);
    front.pass();
    await found.isOpen();
    await news(server, 'a');
    await has(found, 'a');
    front.fail(204);
    await until(() => found.subscription.state === 'finished', () => `the end, after ${found.states}`);
    const requests = front.streams.length;
    const another = follow(t, server.url);
    await another.isOpen();
    assert.equal(front.streams.length, requests);
  });

  it('finds a connection dead by the heartbeat that does not come', TEST, async (t) => {
    const server = await Server.start(t);
    const proxy = await Proxy.start(t, server.port);
    const found = follow(t, proxy.url, { heartbeat: 1 });
    await found.isOpen();
    proxy.swallow();
    await news(server, 'a');
    await has(found, 'a');
  });

  it('goes on with the topics that are granted if one is not, and says why', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`, '--publish-key', 'key-of-the-backend'] });
    server.key = 'key-of-the-backend';
    const token = jwt({ sub: '17', sse: { subscribe: ['news', 'sport'] } });
    const found = follow(t, server.url, { token });
    await found.isOpen();
    const [refused, granted] = ['secret', 'sport'].map((topics) => follow(t, server.url, { token, topics }));
    await until(() => refused.subscription.state === 'refused', () => `refused, after ${refused.states}`);
    assert.deepEqual([refused.problems.at(-1).code, refused.problems.at(-1).status], ['topic_not_granted', 403]);
    await granted.isOpen();
    for (const topic of ['news', 'sport', 'secret']) await server.publish({ topic, private: true, data: topic });
    await has(granted, 'sport');
    await has(found, 'news');
    const { body } = await request(`${server.url}/metrics`);
    assert.match(body, /^sse_broadcaster_subscribers 1$/m);
  });

  it('keeps live and older subscriptions exact where positions are encrypted', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--subscribe-access', 'private-events', '--token-key', `HS256 ${SECRET}`, '--publish-key', 'key-of-the-backend'] });
    server.key = 'key-of-the-backend';
    const token = jwt({ sub: '17', sse: { subscribe: ['a', 'b'] } });
    const hidden = () => server.publish({ topic: 'hidden', private: true, data: 'hidden' });
    const open = async (options) => {
      const found = follow(t, server.url, { token, ...options });
      await found.isOpen();
      return found;
    };
    await hidden();
    const first = await open({ topics: 'a' });
    await server.publish({ topic: 'a', private: true, data: '1' });
    await server.publish({ topic: 'b', private: true, data: '2' });
    await hidden();
    const second = await open({ topics: 'b' });
    await hidden();
    const third = await open({ topics: ['b', 'a', 'hidden'], last: 2 });
    await server.publish({ topics: ['a', 'b'], private: true, data: '3' });
    await has(first, '1', '3');
    await has(second, '3');
    await has(third, '1', '2', '3');
  });

  it('keeps a document equal to that of the server through random changes, kills, and its end', TEST, async (t) => {
    const server = await restartable(t);
    const proxy = await Proxy.start(t, server.port);
    const counter = signal('counter', { url: `${proxy.url}/signals` });
    t.after(() => counter.close());
    const values = [];
    counter.subscribe((value) => values.push(value));
    const write = (method, body) => request(`${server.url}/signals/counter`, { method, headers: { 'content-type': 'application/json' }, body });
    let text = 'null';
    for (let number = 0; number < 60; number++) {
      text = JSON.stringify(random(3));
      assert.ok((await write('PUT', text)).status < 300);
      if (number % 15 === 7) proxy.reset();
      if (number === 30) {
        await server.kill();
        await server.startAgain();
      }
    }
    const expected = JSON.parse(text);
    await until(() => isEqual(counter.value, expected), () => `${text} in the signal, which is ${JSON.stringify(counter.value)}`);
    proxy.reset();
    await write('DELETE');
    await until(() => counter.value === undefined, 'the end of the document');
    assert.equal(values[0], undefined, 'a reader is called at once');
  });

  it('requests a document again after a patch that does not fit, or has an operation that no server sends', TEST, async (t) => {
    const server = await Server.start(t);
    await request(`${server.url}/signals/doc`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"v":1}' });
    const front = await Patching.start(t, server.port);
    const problems = [];
    const doc = signal('doc', { url: `${front.url}/signals`, onState: (_, problem) => problem && problems.push(problem.code) });
    t.after(() => doc.close());
    const values = [];
    doc.subscribe((value) => values.push(value?.v));
    const becomes = (expected) => until(() => isEqual(doc.value, expected), () => `${JSON.stringify(expected)}, it is ${JSON.stringify(doc.value)}`);
    await becomes({ v: 1 });
    const unfit = [{ op: 'remove', path: '/none' }, { op: 'move', from: '/u', path: '/w' }, { op: 'test', path: '/u', value: 1 }];
    for (const operation of unfit) {
      front.patch([{ op: 'add', path: '/u', value: 1 }]);
      await becomes({ v: 1, u: 1 });
      // What stands before it is not applied either.
      front.patch([{ op: 'replace', path: '/v', value: 2 }, operation]);
      await becomes({ v: 1 });
    }
    assert.equal(front.requests, 1 + unfit.length);
    assert.deepEqual(problems, unfit.map(() => 'patch_failed'));
    assert.ok(!values.includes(2), `no part of a patch: ${values}`);
  });

  it('renews its token on expiring, and after 401', TEST, async (t) => {
    const server = await Server.start(t, { args: ['--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`, '--publish-key', 'key-of-the-backend'] });
    server.key = 'key-of-the-backend';
    const reasons = [];
    const token = async (reason) => {
      reasons.push(reason);
      return reasons.length === 1 ? 'wrong' : jwt({ sub: '17', sse: { subscribe: ['news'] } }, 3);
    };
    const found = follow(t, server.url, { token });
    await found.isOpen();
    let published = 0;
    await until(async () => {
      await server.publish({ topic: 'news', private: true, data: String(published++) });
      return reasons.filter((reason) => reason === 'expiring').length > 1;
    }, () => `two renewals, of ${reasons}`);
    await has(found, ...Array.from({ length: published }, (_, number) => String(number)));
    assert.deepEqual(reasons.slice(0, 3), ['connect', 'refused', 'expiring']);
    assert.deepEqual(found.gaps, []);
  });
});

function isEqual(a, b) {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

/** A random document. */
function random(depth) {
  const kinds = depth ? 6 : 4;
  switch (Math.floor(Math.random() * kinds)) {
    case 0: return Math.floor(Math.random() * 5);
    case 1: return ['a', 'b/c', '~', ''][Math.floor(Math.random() * 4)];
    case 2: return null;
    case 3: return Math.random() < 0.5;
    case 4: return Array.from({ length: Math.random() * 4 }, () => random(depth - 1));
    default: return Object.fromEntries(['x', 'y/z', '~1', ''].filter(() => Math.random() < 0.6).map((key) => [key, random(depth - 1)]));
  }
}
