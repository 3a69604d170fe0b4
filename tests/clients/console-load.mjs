// Measures how long the page blocks input while 500 events a second arrive and 10,000 are held: `node console-load.mjs`.
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

import { launch } from './support/browser.mjs';
import { Console } from './support/console.mjs';
import { Server } from './support/server.mjs';

const HELD = 10_000;
const PER_SECOND = 500;
const SECONDS = 20;
const BATCHES_PER_SECOND = 50;

const cleanups = [];
const t = { after: (cleanup) => cleanups.unshift(cleanup) };
const line = (number) => `${JSON.stringify({ topic: `orders/${number % 40}`, event: 'paid', data: { order: number, total: 12.5, currency: 'EUR', items: [{ sku: `A-${number}`, count: 2 }] } })}\n`;

function upload(url) {
  const request = http.request(`${url}/events`, { agent: false, method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
  return request.on('response', (response) => response.resume());
}

async function publishAll(url, from, count) {
  const request = upload(url);
  for (let number = from; number < from + count; number += 1) request.write(line(number));
  request.end();
  await once(request, 'close');
}

async function publishSteadily(url, from) {
  const request = upload(url);
  const begin = performance.now();
  for (let batch = 0; batch < SECONDS * BATCHES_PER_SECOND; batch += 1) {
    for (let place = 0; place < PER_SECOND / BATCHES_PER_SECOND; place += 1) request.write(line(from + batch * 10 + place));
    const due = begin + ((batch + 1) * 1000) / BATCHES_PER_SECOND;
    await delay(Math.max(0, due - performance.now()));
  }
  request.end();
}

/** In the page: every task of more than 50 ms, and how long each input waited for its next frame. */
function observe() {
  window.measured = { tasks: [], inputs: [] };
  new PerformanceObserver((list) => measured.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  const options = { type: 'event', durationThreshold: 16 };
  new PerformanceObserver((list) => measured.inputs.push(...list.getEntries().map(({ name, processingStart, startTime, duration }) => ({ name, blocked: processingStart - startTime, duration })))).observe(options);
}

/** The tasks of the page's main thread, by the time that they had a processor. */
async function startTrace(browser) {
  const session = await browser.newBrowserCDPSession();
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await session.send('Tracing.start', { traceConfig: { includedCategories: ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline', '__metadata'] }, transferMode: 'ReportEvents' });
  return {
    async stop() {
      const complete = once(session, 'Tracing.tracingComplete');
      await session.send('Tracing.end');
      await complete;
      const main = new Set(events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`));
      return events.filter(({ name, pid, tid, tdur }) => name === 'RunTask' && tdur !== undefined && main.has(`${pid} ${tid}`)).map(({ tdur }) => tdur / 1000);
    },
  };
}

const server = await Server.start(t);
const front = await Console.start(t, server.port);
await publishAll(server.url, 0, HELD);
const browser = await launch();
cleanups.unshift(() => browser.close());
const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
await page.goto(`${front.url}/?topic=*&last=${HELD}`);
await page.locator('#count:has-text("10,000 received")').waitFor();
await page.evaluate(observe);
const trace = await startTrace(browser);

const publishing = publishSteadily(server.url, HELD);
const filter = page.locator('#live-pane .filter');
for (let round = 0; round < SECONDS - 4; round += 1) {
  await filter.pressSequentially('A-99', { delay: 40 });
  await filter.fill('');
  await page.mouse.move(400, 500);
  await page.mouse.wheel(0, 900);
  await delay(300);
  await page.mouse.wheel(0, -2000);
  await page.locator('#events .row').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.click('#pause');
  await page.click('#pause');
}
await publishing;
await page.locator(`#count:has-text("${(HELD + SECONDS * PER_SECOND).toLocaleString('en')} received")`).waitFor();
const processorMs = await trace.stop();
const { tasks, inputs } = await page.evaluate(() => measured);
const rows = await page.locator('#events li').count();
const most = (numbers) => Math.max(0, ...numbers).toFixed(0);
console.log(JSON.stringify({
  events: HELD + SECONDS * PER_SECOND, rowsInTheDocument: rows,
  tasksOver50ms: tasks.length, longestTaskMs: most(tasks),
  // Without what other programs of the machine took meanwhile.
  tasksOver50msOfProcessor: processorMs.filter((duration) => duration > 50).length, longestTaskMsOfProcessor: most(processorMs), inputsOver16ms: inputs.length,
  longestWaitOfAnInputMs: most(inputs.map(({ blocked }) => blocked)), longestInputToFrameMs: most(inputs.map(({ duration }) => duration)),
}, null, 2));
for (const cleanup of cleanups) await cleanup();
