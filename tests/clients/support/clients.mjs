// Real clients, each behind the same face: `open(t, url, names)` subscribes, comes back whenever its
// connection is gone, and collects in `events` what it was given, in order.
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { EventSource } from 'eventsource';

import { emptyPage } from './browser.mjs';
import { start } from './process.mjs';
import { Parser } from './sse.mjs';

/** The EventSource of a browser, in a page of the stream's own origin. */
export const browserEventSource = (browser) => async (t, url, names) => {
  const events = [];
  const page = await emptyPage(t, browser, new URL(url).origin);
  await page.exposeFunction('collect', (event) => {
    events.push(event);
  });
  await page.evaluate(([url, names]) => {
    const source = new EventSource(url);
    for (const name of ['message', ...names]) {
      source.addEventListener(name, ({ type, data, lastEventId }) => {
        collect({ event: type, data, id: lastEventId });
      });
    }
  }, [url, names]);
  return { events };
};

/** The package `eventsource` from npm. */
export async function npmEventSource(t, url, names) {
  const events = [];
  const source = new EventSource(url);
  t.after(() => source.close());
  for (const name of ['message', ...names]) {
    source.addEventListener(name, ({ type, data, lastEventId }) => {
      events.push({ event: type, data, id: lastEventId });
    });
  }
  return { events };
}

const PYTHON = fileURLToPath(new URL('../.venv/bin/python', import.meta.url));
const HTTPX_CLIENT = fileURLToPath(new URL('httpx_client.py', import.meta.url));

/** Python's `httpx-sse`, which leaves coming back to its caller: see `httpx_client.py`. */
export async function httpxSse(t, url) {
  const events = [];
  const child = await start(t, PYTHON, [HTTPX_CLIENT, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) events.push(JSON.parse(line));
  });
  return { events };
}

/** `curl -N`, started again with the last id whenever it ends. */
export async function curl(t, url) {
  const events = [];
  let over = false;
  t.after(() => {
    over = true;
  });

  const run = async () => {
    const lastId = events.at(-1)?.id;
    const resume = lastId === undefined ? [] : ['-H', `Last-Event-ID: ${lastId}`];
    const child = await start(t, 'curl', ['-sSN', '--fail', '--noproxy', '*', ...resume, url], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const parser = new Parser((event) => events.push(event));
    child.stdout.setEncoding('utf8').on('data', (text) => parser.write(text));
    child.once('close', async () => {
      await delay(200);
      if (!over) await run();
    });
  };
  await run();
  return { events };
}
