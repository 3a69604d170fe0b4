import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { launch, newPage } from '../clients/support/browser.mjs';
import { Proxy } from '../clients/support/proxy.mjs';
import { until } from '../clients/support/until.mjs';
import { Example } from './support/example.mjs';

const NAMES = ['count', 'lights', 'votes'];
const WRITERS = 4;
const CHANGES = 250;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** A window on the page, and what went wrong in it. */
async function open(t, url) {
  const page = await newPage(t, browser);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(url);
  await page.locator('body[data-state=live]').waitFor();
  return { page, errors, documents: () => page.evaluate(async () => (await import('./page.js')).documents) };
}

async function documents(example) {
  const entries = NAMES.map(async (name) => [name, await (await fetch(`${example.url}/signals/${name}`)).json()]);
  return Object.fromEntries(await Promise.all(entries));
}

function patch(example, name, type, body) {
  const headers = { 'content-type': `application/${type}+json` };
  return fetch(`${example.url}/signals/${name}`, { method: 'PATCH', headers, body: JSON.stringify(body) });
}

const random = (below) => Math.floor(Math.random() * below);
const choice = () => ['coffee', 'tea', 'a/b', '~', 'Öl', ''][random(6)];

/** One change of any kind. That some do not fit what is there is a part of it. */
function change(example) {
  const [at, value] = [random(12), random(2) === 0];
  return [
    () => patch(example, 'count', 'merge-patch', { value: random(1e6) }),
    () => patch(example, 'votes', 'merge-patch', { [choice()]: random(3) || null }),
    () => patch(example, 'votes', 'json-patch', [{ op: 'add', path: `/${choice().replace('~', '~0').replace('/', '~1')}`, value: random(99) }]),
    () => patch(example, 'lights', 'json-patch', [{ op: 'add', path: `/${at}`, value }]),
    () => patch(example, 'lights', 'json-patch', [{ op: 'remove', path: `/${at}` }]),
    () => patch(example, 'lights', 'json-patch', [{ op: 'replace', path: `/${at}`, value }, { op: 'move', from: '/0', path: '/-' }]),
  ][random(6)]();
}

async function write(example, count) {
  const answers = {};
  for (let made = 0; made < count;) {
    try {
      const { status } = await change(example);
      answers[status] = (answers[status] ?? 0) + 1;
      made += 1;
    } catch {
      // It is being started again.
      await delay(20);
    }
  }
  return answers;
}

test('two windows converge through a thousand changes by four writers, cuts and a restart', async (t) => {
  const example = await Example.start(t, 'counter', () => ['--no-count']);
  const proxy = await Proxy.start(t, example.port);
  const windows = [await open(t, example.url), await open(t, proxy.url)];
  let writing = true;
  const cutting = (async () => {
    while (writing) {
      // Anywhere in an event, and anywhere in the documents that a stream begins with.
      [() => proxy.reset(), () => proxy.end(), () => proxy.endAfter(random(600))][random(3)]();
      await delay(random(150));
    }
  })();
  const halves = () => Promise.all(Array.from({ length: WRITERS }, () => write(example, CHANGES / 2)));
  const first = await halves();
  const second = halves();
  await example.kill();
  await example.startAgain();
  const answers = [...first, ...await second];
  writing = false;
  await cutting;
  for (const answer of answers) {
    assert.ok(answer[200] > 0, JSON.stringify(answers));
    assert.deepEqual(Object.keys(answer).filter((status) => !['200', '409'].includes(status)), [], JSON.stringify(answers));
  }
  // The end, by which a window knows that it has everything.
  await patch(example, 'count', 'merge-patch', { value: 7654321 });
  const there = await documents(example);
  for (const { page, errors, documents } of windows) {
    await until(async () => (await documents()).count?.value === 7654321, 'the last change in a window');
    assert.deepEqual(await documents(), there);
    assert.deepEqual(errors, []);
    assert.equal(await page.locator('#lights button').count(), there.lights.length);
    assert.equal(await page.locator('#count').textContent(), (7654321).toLocaleString('en-US'));
  }
});

test('what is clicked in one window shows in the other, and no click at the same time is lost', async (t) => {
  const example = await Example.start(t, 'counter', () => ['--no-count']);
  const [one, two] = [await open(t, example.url), await open(t, example.url)];
  await one.page.getByLabel('light 3', { exact: true }).click();
  await two.page.locator('#lights button:nth-child(3)[aria-pressed=true]').waitFor();
  const tea = ({ page }) => page.locator('#votes button[name=tea]');
  await Promise.all([one, two].map(async (window) => {
    for (let click = 0; click < 10; click += 1) await tea(window).click();
  }));
  for (const window of [one, two]) {
    await until(async () => (await tea(window).locator('b').textContent()) === '20', 'all votes');
    assert.deepEqual(window.errors, []);
  }
});

test('the count goes on by itself, also behind a restart, and a page that was away comes back', async (t) => {
  const example = await Example.start(t, 'counter');
  const { page } = await open(t, example.url);
  const count = async () => Number(await page.locator('#count').textContent());
  await until(async () => (await count()) >= 2, 'two seconds');
  await example.kill();
  await page.locator('body[data-state=away]').waitFor();
  const before = await count();
  await example.startAgain();
  await page.locator('body[data-state=live]').waitFor();
  await until(async () => (await count()) > before, 'the next second');
});

test('another site may neither vote nor turn a light on', async (t) => {
  const example = await Example.start(t, 'counter', () => ['--no-count']);
  const before = await documents(example);
  const headers = { 'content-type': 'application/merge-patch+json', origin: 'https://other.example' };
  const refused = await fetch(`${example.url}/signals/votes`, { method: 'PATCH', headers, body: '{"tea":99}' });
  assert.equal(refused.status, 403);
  assert.deepEqual(await documents(example), before);
});

test('it ends at once, although windows are open', async (t) => {
  const example = await Example.start(t, 'counter');
  await open(t, example.url);
  assert.equal(await example.end(), 0, example.log);
});
