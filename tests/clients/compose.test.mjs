// The two nodes of compose.yaml, on one Redis and behind its nginx.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { assertExactly, gets, openClient } from './support/behaviours.mjs';
import { launch } from './support/browser.mjs';
import { browserEventSource } from './support/clients.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { Nginx } from './support/nginx.mjs';
import { startRedis } from './support/redis.mjs';
import { post, Server } from './support/server.mjs';
import { published } from './support/sse.mjs';
import { until } from './support/until.mjs';
import { upload } from './support/upload.mjs';

const AWAY = 10_000;
const KEY = 'correct-horse-battery';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const startNode = (t, redis) => Server.start(t, { args: ['--redis-url', redis], key: KEY });

/**
 * For seconds after nodes are back nginx takes them for gone and answers 503. Asking again repeats nothing,
 * because no node ends while this is going on.
 */
async function publish(url, data) {
  const answer = await until(async () => {
    const answer = await post(url, { topic: 't', data }, KEY);
    return answer.status !== 503 && answer;
  }, 'nginx to ask a node again');
  assert.equal(answer.status, 200, `a publish was answered ${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body).id;
}

describe('a browser at the nodes of compose.yaml', SUITE, () => {
  it('comes back by itself once both were killed and away for 10 s, and misses nothing', TEST, async (t) => {
    const redis = await startRedis(t);
    const nodes = await Promise.all([startNode(t, redis), startNode(t, redis)]);
    const nginx = await Nginx.startOfCompose(t, nodes.map(({ port }) => port));
    const client = await openClient(t, browserEventSource(browser), nginx.url, '?topic=t');

    const ids = [];
    for (const place of [1, 2, 3, 4]) ids.push(await publish(nginx.url, `before ${place}`));
    const lastId = ids.at(-1);
    await gets(client, lastId);

    await Promise.all(nodes.map((node) => node.kill()));
    await delay(AWAY);
    await Promise.all(nodes.map((node) => node.startAgain()));
    // Straight at the nodes: through nginx the first might be answered only once the browser is back.
    for (const node of nodes) ids.push(await node.publish({ topic: 't', data: 'at once' }));
    for (const place of [1, 2, 3, 4]) ids.push(await publish(nginx.url, `after ${place}`));
    await gets(client, ids.at(-1));
    for (const place of [1, 2, 3, 4]) ids.push(await publish(nginx.url, `live ${place}`));
    await gets(client, ids.at(-1));

    assertExactly(client, ids);
    const inVain = (await nginx.requests()).filter(({ status, upstreamStatus }) =>
      status === '200' && upstreamStatus.includes('502'));
    assert.ok(inVain.length > 1, 'it asked again and again');
    assert.deepEqual(new Set(inVain.map(({ lastEventId }) => lastEventId)), new Set([lastId]));
  });

  it('publishes NDJSON line by line, while the upload goes on', TEST, async (t) => {
    const redis = await startRedis(t);
    const nodes = await Promise.all([startNode(t, redis), startNode(t, redis)]);
    const nginx = await Nginx.startOfCompose(t, nodes.map(({ port }) => port));
    const { events } = await nodes[0].subscribe('?topic=lines');
    const body = upload(t, nginx.url, KEY);
    for (const line of ['first', 'second']) {
      body.write(line);
      await until(() => published(events).at(-1)?.data === line, `the ${line} line before the upload ends`);
    }
    assert.equal(await body.finish(), 200);
  });
});
