// The published crate in a browser, against our server.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { launch } from '../clients/support/browser.mjs';
import { SUITE, TEST } from '../clients/support/limits.mjs';
import { direct } from '../clients/support/paths.mjs';
import { Proxy } from '../clients/support/proxy.mjs';
import { Server } from '../clients/support/server.mjs';
import { until } from '../clients/support/until.mjs';
import { openClient } from './browser/page.mjs';
import { Writer } from './browser/writer.mjs';

const CLIENT = process.env.LEPTOS_CLIENT;

let browser;
before(async () => {
  assert.ok(CLIENT, 'LEPTOS_CLIENT must name the folder of the client that was built: see tests/leptos/run');
  browser = await launch();
});
after(() => browser?.close());

async function start(t, settings) {
  const server = await Server.start(t, settings);
  const writer = new Writer(t, server);
  await writer.begin();
  return { server, writer };
}

/** Waits until the page shows both signals as the server has them. */
async function showsAll(client, writer) {
  for (const name of ['counter', 'board']) {
    const document = await writer.get(name);
    await client.shows(name, name === 'counter' ? document.value : document);
  }
}

async function folder(t) {
  const made = await mkdtemp(path.join(tmpdir(), 'leptos-client-'));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

describe('a page of leptos_sse', SUITE, () => {
  it('follows a hundred changes', TEST, async (t) => {
    const { server, writer } = await start(t);
    const client = await openClient(t, browser, CLIENT, server.url);
    await showsAll(client, writer);
    await writer.change(100);
    await showsAll(client, writer);
  });

  it('follows changes through every kind of cut', TEST, async (t) => {
    const { server, writer } = await start(t);
    const { url, cuts } = await direct(t, server);
    const client = await openClient(t, browser, CLIENT, url);
    for (const cut of Object.values(cuts)) {
      await writer.changeDuring(cut);
      await showsAll(client, writer);
    }
  });

  it('goes on where the server is killed and comes back with its log', TEST, async (t) => {
    const { server, writer } = await start(t, { args: ['--data-dir', await folder(t)] });
    const client = await openClient(t, browser, CLIENT, server.url);
    for (let times = 0; times < 2; times += 1) {
      await writer.change(10);
      await showsAll(client, writer);
      await server.kill();
      await server.startAgain();
      await showsAll(client, writer);
    }
    await writer.change(10);
    await showsAll(client, writer);
  });

  it('keeps what it shows where the server comes back with nothing, until there is more', TEST, async (t) => {
    const { server, writer } = await start(t);
    const client = await openClient(t, browser, CLIENT, server.url);
    await writer.change(10);
    await showsAll(client, writer);
    const shown = await client.read('board');

    await server.kill();
    await server.startAgain();
    await writer.write('counter', 'PUT', 'application/json', { value: -1 });
    await client.shows('counter', -1);
    await client.shows('board', shown);

    await writer.begin();
    await writer.change(10);
    await showsAll(client, writer);
  });

  it('is given all anew where it was so slow that changes were lost to it', TEST, async (t) => {
    // Compressed, these changes fit into the socket.
    const { server, writer } = await start(t, { args: ['--history-events', '16', '--compress', 'off'] });
    const proxy = await Proxy.start(t, server.port);
    const client = await openClient(t, browser, CLIENT, proxy.url);
    await writer.change(10);
    await showsAll(client, writer);

    await until(async () => {
      proxy.hold();
      await writer.changeMuch(60);
      proxy.release();
      await showsAll(client, writer);
      return await writer.counted('gaps_total') > 0;
    }, 'a gap');
    await writer.change(10);
    await showsAll(client, writer);
    assert.equal(await writer.counted('subscribed_total'), 1, 'the stream ended behind the gap');
  });

  it('keeps the last value of a signal that was removed, and the others', TEST, async (t) => {
    const { server, writer } = await start(t);
    const client = await openClient(t, browser, CLIENT, server.url);
    await writer.change(10);
    await showsAll(client, writer);
    const shown = await client.read('board');

    await writer.remove('board');
    await writer.write('counter', 'PUT', 'application/json', { value: -1 });
    await client.shows('counter', -1);
    await client.shows('board', shown);

    await writer.begin();
    await showsAll(client, writer);
  });
});
