// What every client must see, whichever it is and by whatever way it comes. `open` is one of
// `clients.mjs`, `way` one of `paths.mjs`.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

import { Server } from './server.mjs';
import { compareIds, named, published } from './sse.mjs';
import { until } from './until.mjs';

const NAMES = ['connected', 'gap', 'position', 'named', 'größe'];

export async function openClient(t, open, url, query = '') {
  const client = await open(t, `${url}/events${query}`, NAMES);
  await until(() => named(client.events, 'connected').length === 1, 'the stream to open');
  return client;
}

/** Waits until the last event that the client has is the one with this id. */
export async function gets(client, id) {
  await until(() => published(client.events).at(-1)?.id === id, `the event ${id}`);
}

const EVENTS = [
  { sent: { data: 'plain' } },
  { sent: { event: 'named', data: 'with a name' } },
  { sent: { data: 'first\n\n third\n: no comment\nid: no field\n' } },
  { sent: { data: 'one\rtwo\r\nthree' }, data: 'one\ntwo\nthree' },
  { sent: { event: 'größe', data: 'Grüße, 日本語, 🎈, \u2028, \u0085, \ufeff' } },
  { sent: { data: { nested: ['"', null] } }, data: '{"nested":["\\"",null]}' },
  { sent: { data: '' } },
  { sent: { data: 'last' } },
];

/** Unnamed and named events, several lines and UTF-8 come as they were published, with their ids. */
export async function getsWhatWasPublished(t, open, way) {
  const server = await Server.start(t);
  const { url } = await way(t, server);
  const client = await openClient(t, open, url);

  const expected = [];
  for (const { sent, data = sent.data } of EVENTS) {
    expected.push({ event: sent.event ?? 'message', data, id: await server.publish(sent) });
  }
  await gets(client, expected.at(-1).id);
  assert.deepEqual(published(client.events), expected);
}

/** Publishes numbered events until `stop`, faster than any cut passes, slower than history forgets. */
function publishSteadily(t, server) {
  const ids = [];
  let going = true;
  const loop = (async () => {
    while (going) {
      ids.push(await server.publish({ data: `event ${ids.length}` }));
      await delay(5);
    }
  })();
  loop.catch(() => {});
  const stop = () => {
    going = false;
    return loop;
  };
  t.after(() => stop().catch(() => {}));
  return { ids, stop };
}

/** While events are published all the time, each cut of the way is suffered: nothing is missed, nothing comes twice. */
export async function outlivesCuts(t, open, way) {
  const server = await Server.start(t);
  const { url, cuts } = await way(t, server);
  const client = await openClient(t, open, url);
  const publisher = publishSteadily(t, server);
  const publishMore = async (seen = publisher.ids.length + 10) => {
    await until(() => publisher.ids.length >= seen, 'more to be published');
  };

  for (const [name, cut] of Object.entries(cuts)) {
    const connections = named(client.events, 'connected').length;
    const live = published(client.events).length;
    await until(() => published(client.events).length > live, `events before ${name}`);
    await cut(publishMore);
    await until(
      () => named(client.events, 'connected').length > connections,
      `the client to come back after ${name}`,
    );
  }
  await publishMore();
  await publisher.stop();
  await gets(client, publisher.ids.at(-1));

  assertExactly(client, publisher.ids);
}

/** The client was given these ids in this order, and told of no gap. */
export function assertExactly(client, ids) {
  const got = published(client.events).map(({ id }) => id);
  assert.deepEqual({
    missed: ids.filter((id) => !got.includes(id)),
    repeated: got.filter((id, place) => got.indexOf(id) < place),
    outOfOrder: got.filter((id, place) => place > 0 && compareIds(got[place - 1], id) > 0),
    gaps: named(client.events, 'gap'),
  }, { missed: [], repeated: [], outOfOrder: [], gaps: [] });
}

/**
 * The server is killed and, after `away` milliseconds, started again on its port: the client comes back
 * by itself, is told that there is a gap, because memory is gone, and is told so once, even if it is cut
 * off again before anything else came.
 */
export async function isToldOfTheGap(t, open, way, away = 0) {
  const server = await Server.start(t);
  const path = await way(t, server);
  const client = await openClient(t, open, path.url);
  const lastId = await server.publish({ data: 'before' });
  await gets(client, lastId);

  await server.kill();
  await delay(away);
  await server.startAgain();
  await until(() => named(client.events, 'connected').length === 2, 'the client to come back');

  await Object.values(path.cuts)[0]();
  await gets(client, await server.publish({ data: 'after' }));

  const told = client.events.filter(({ event }) => event !== 'position');
  assert.deepEqual(
    told.map(({ event, data }) => (['connected', 'gap'].includes(event) ? event : data)),
    ['connected', 'before', 'gap', 'connected', 'connected', 'after'],
  );
  for (const { data, id } of named(client.events, 'connected')) {
    assert.deepEqual(JSON.parse(data), { id }, 'the data of connected is its position');
  }
  assert.equal(JSON.parse(named(client.events, 'gap')[0].data).requested, lastId);
  return { path, lastId };
}
