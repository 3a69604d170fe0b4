// Random subscriptions of the browser client that share streams, while events are published without a pause and
// connections are cut, held and refused, and the server is killed: each gets what it is due exactly once, in order.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { load } from './support/client-build.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Proxy } from './support/proxy.mjs';
import { Server } from './support/server.mjs';
import { jwt, SECRET } from './support/tokens.mjs';
import { until } from './support/until.mjs';

const { subscribe } = await load('index.ts');

const SEED = Number(process.env.CLIENT_SEED ?? Date.now() % 2 ** 31);
const STEPS = Number(process.env.CLIENT_STEPS ?? 40);
const TOPICS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Mulberry32. */
let state = SEED;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (count) => Math.floor(random() * count);
const some = (list) => list.filter(() => random() < 0.3);
const oneOrMore = (list) => [...new Set([list[below(list.length)], ...some(list)])];

async function run(t, { args = [], key, token }) {
  const directory = await mkdtemp(join(tmpdir(), 'sse-broadcaster-random-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const server = await Server.start(t, { args: ['--data-dir', directory, ...args], key });
  const proxy = await Proxy.start(t, server.port);

  const published = [];
  let isDown = false;
  let isOver = false;
  const publishing = (async () => {
    while (!isOver) {
      const topics = oneOrMore(TOPICS);
      if (!isDown) {
        const data = random() < 0.05 ? 'x'.repeat(200_000) : String(published.length);
        const event = { topics, data, ...(token && { private: true }) };
        // The position is then often encrypted.
        if (token && random() < 0.5) await server.publish({ topic: 'hidden', private: true, data }).catch(() => {});
        const id = await server.publish(event).catch(() => undefined);
        // One that was under way at a kill may be stored or not.
        published.push(id ? { ...event, id } : undefined);
      }
      await delay(5);
    }
  })();

  const open = [];
  const ended = [];
  function start() {
    const topics = random() < 0.1 ? ['*'] : oneOrMore(TOPICS);
    const known = published.filter(Boolean);
    const from = known.length && random() < 0.5 ? known[below(known.length)].id : undefined;
    const found = { topics, from, got: [], gaps: [] };
    const where = from === undefined ? {} : { lastEventId: from };
    found.subscription = subscribe({
      url: `${proxy.url}/events`, topics, token, ...where, onEvent: ({ id }) => found.got.push(id), onGap: (gap) => found.gaps.push(gap),
    });
    open.push(found);
  }
  function end() {
    const [found] = open.splice(below(open.length), 1);
    found?.subscription.close();
    if (found) ended.push(found);
  }
  const steps = [
    start, start, start, end, () => proxy.reset(), () => proxy.end(), () => proxy.endAfter(below(3000)),
    async () => { proxy.hold(); await delay(below(200)); proxy.release(); },
    async () => { await proxy.refuse(); await delay(below(200)); await proxy.accept(); },
    async () => {
      isDown = true;
      await server.kill();
      await server.startAgain();
      isDown = false;
    },
  ];
  for (let step = 0; step < STEPS; step++) {
    await steps[below(steps.length)]();
    await delay(below(300));
  }
  isOver = true;
  await publishing;
  await until(() => open.every(({ subscription }) => subscription.state === 'open'), 'all to be open');
  const last = await server.publish({ topics: TOPICS, data: 'last', ...(token && { private: true }) });
  published.push({ topics: TOPICS, id: last });
  await until(() => open.every(({ got }) => got.at(-1) === last), 'the last event everywhere');
  for (const { subscription } of open) subscription.close();

  // What was stored of what was under way at a kill is known from the server.
  const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const { events } = await (await fetch(`${server.url}/events?topic=*&since=earliest&limit=10000`, { headers })).json();
  for (const { topics, from, got, gaps } of [...open, ...ended]) {
    assert.deepEqual(gaps, []);
    const due = events.filter((event) => topics.includes('*') || event.topics.some((topic) => topics.includes(topic))).map(({ id }) => id);
    // One that began live, or was closed, has what is due without a hole.
    const begin = from === undefined ? due.indexOf(got[0]) : due.findIndex((id) => events.findIndex((event) => event.id === id) > events.findIndex((event) => event.id === from));
    assert.deepEqual(got, got.length ? due.slice(begin, begin + got.length) : []);
  }
  const total = [...open, ...ended].reduce((sum, { got }) => sum + got.length, 0);
  t.diagnostic(`${events.length} events, ${open.length + ended.length} subscriptions, ${total} deliveries`);
  assert.ok(total > 0);
}

describe(`random subscriptions through random faults, seed ${SEED}`, SUITE, () => {
  it('get each event exactly once, in order', TEST, (t) => run(t, {}));

  it('get each event exactly once, in order, where positions are encrypted', TEST, (t) => run(t, {
    key: 'key-of-the-backend',
    args: ['--subscribe-access', 'private-events', '--token-key', `HS256 ${SECRET}`],
    token: jwt({ sub: '17', sse: { subscribe: TOPICS } }),
  }));
});
