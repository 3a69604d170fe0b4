// Every state of the page, for the pictures and for the checks that each of them has to pass.
import { Console } from './console.mjs';
import { ADMIN_KEY, operatorSide } from './operator.mjs';
import { request } from './request.mjs';
import { Server } from './server.mjs';

const ORDERS = [
  { topic: 'orders/17', event: 'paid', data: '{"order":17,"total":12.5,"currency":"EUR","items":[{"sku":"A-113","count":2},{"sku":"B-9","count":1}]}' },
  { topic: 'news', data: 'Line 3 is back in service' },
  { topic: 'orders/18', event: 'created', data: '{"order":18,"total":240}' },
  { topics: ['rooms/1', 'rooms/2'], event: 'said', data: '{"user":"anna","text":"Who is coming to the review at four?"}' },
  { topic: 'orders/18', event: 'paid', data: '{"order":18,"total":240,"currency":"EUR"}' },
  { topic: 'prices', event: 'price', data: '{"symbol":"ACME","bid":101.25,"ask":101.5}' },
  { topic: 'news', data: 'Line 5 is late by ten minutes\nA replacement bus is under way' },
  { topic: 'orders/19', event: 'created', data: '{"order":19,"total":36}' },
];

async function publishAll(server, events = ORDERS) {
  for (const event of events) await server.publish(event);
}

export const put = (url, name, document) => request(`${url}/signals/${encodeURIComponent(name)}`, {
  method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(document),
});

const events = (page, least = 1) => page.locator('#events li.event').nth(least - 1).waitFor();
export const inState = (page, name) => page.locator(`#connection[data-state=${name}]`).waitFor();

export async function signIn(page, key = ADMIN_KEY) {
  await page.click('#sign-in');
  await page.fill('#sign-in-key', key);
  await page.click('#sign-in-form .primary');
}

export async function signedIn(page) {
  await signIn(page);
  await page.locator('#view-overview:not([hidden])').waitFor();
  await inState(page, 'open');
}

async function live({ page, server }) {
  await publishAll(server);
  await events(page, 8);
}

async function openEvent({ page }) {
  await page.click('#events li.event:has-text("orders/17")');
  await page.locator('#details[open]').waitFor();
}

async function signals({ page, server }) {
  await put(server.url, 'counter', { value: 42, changed: '2026-11-29T10:00:00Z' });
  await put(server.url, 'shop/stock', { 'A-113': 18, 'B-9': 0, 'C-20': 151 });
  await put(server.url, 'votes', { yes: 128, no: 31, open: true });
  await page.click('nav a[href="#/signals"]');
  await page.click('#signal-list li:has-text("shop/stock") button');
  await page.locator('#signal-version:not(:empty)').waitFor();
}

/**
 * `openAgain` opens what closes when the screen becomes narrow.
 * @typedef {{ page: import('playwright-core').Page, server: Server, front: Console }} Context
 * @type {Record<string, { configured?: boolean, outcome?: string, args?: string[], open: (context: Context) => Promise<void>, openAgain?: (context: Context) => Promise<void> }>}
 */
export const STATES = {
  empty: { open: async () => {} },
  live: { open: live },
  event: {
    open: async (context) => {
      await live(context);
      await openEvent(context);
    },
    // The details close when the screen becomes narrow.
    openAgain: openEvent,
  },
  json: {
    open: async (context) => {
      await live(context);
      await context.page.fill('#publish-topic', 'orders/20');
      await context.page.fill('#publish-event', 'created');
      await context.page.check('#publish-mode [value=json]', { force: true });
      await context.page.locator('#publish').scrollIntoViewIfNeeded();
    },
  },
  paused: {
    open: async (context) => {
      await live(context);
      await context.page.click('#pause');
      await publishAll(context.server);
      await context.page.locator('#count:has-text("8 waiting")').waitFor();
    },
  },
  gap: {
    open: async ({ page, server }) => {
      await publishAll(server);
      await events(page, 8);
      await server.kill();
      await inState(page, 'lost');
      await server.startAgain();
      await publishAll(server, ORDERS.slice(0, 3));
      await page.locator('#events li.gap').waitFor();
      await events(page, 11);
    },
  },
  stopped: {
    open: async ({ page }) => {
      if (await page.isVisible('#listen-toggle')) await page.click('#listen-toggle');
      await page.check('#start-choice [value=since]', { force: true });
      await page.fill('#start-since', 'never');
      await page.click('#connect');
      await inState(page, 'stopped');
    },
  },
  'publish-rejected': {
    args: ['--publish-key', 'publish-key-of-the-test'],
    open: async ({ page }) => {
      await page.fill('#publish-key', 'not-the-key-of-it');
      await page.click('#publish');
      await page.locator('#publish-output[data-kind=failed]').waitFor();
    },
  },
  unreachable: {
    open: async (context) => {
      await live(context);
      await context.front.refuse();
      await inState(context.page, 'lost');
    },
  },
  history: {
    open: async (context) => {
      await publishAll(context.server);
      await context.page.click('nav a[href="#/history"]');
      await context.page.click('#history-form .primary');
      await context.page.locator('#history-events li.event').nth(7).waitFor();
    },
  },
  'history-none': {
    open: async ({ page }) => {
      await page.click('nav a[href="#/history"]');
      await page.fill('#history-topics', 'orders/21');
      await page.click('#history-form .primary');
      await page.locator('#history-output:has-text("no such event")').waitFor();
    },
  },
  topics: {
    args: ['--presence', 'rooms/{id}'],
    open: async (context) => {
      await publishAll(context.server);
      await context.page.click('nav a[href="#/topics"]');
      await context.page.click('#topics-table button:text-is("rooms/1")');
      await context.page.locator('#topic-users').waitFor();
      await context.page.locator('#topic-last code').waitFor();
    },
  },
  signals: { open: signals },
  diff: {
    open: async (context) => {
      await signals(context);
      await context.page.fill('#signal-document', '{\n  "A-113": 17,\n  "B-9": 40,\n  "C-20": 151\n}');
      await context.page.click('#signal-review');
      await context.page.locator('#review[open]').waitFor();
    },
  },
  'delete-signal': {
    open: async (context) => {
      await signals(context);
      await context.page.click('#signal-delete');
      await context.page.locator('#signal-delete-dialog[open]').waitFor();
    },
  },
  'sign-in': {
    open: async ({ page }) => {
      await page.click('#sign-in');
      await page.locator('#sign-in-key').waitFor();
    },
  },
  'no-admin-key': {
    configured: false,
    open: async ({ page }) => {
      await page.click('#sign-in');
      await page.locator('#sign-in-setup').waitFor();
    },
  },
  'wrong-key': {
    open: async ({ page }) => {
      await signIn(page, 'not-the-admin-key');
      await page.locator('#sign-in-output:has-text("wrong")').waitFor();
    },
  },
  overview: {
    open: async ({ page }) => {
      await signedIn(page);
      await page.locator('#nodes-table td').first().waitFor();
    },
  },
  'overview-unreachable': {
    open: async ({ page, front }) => {
      await signedIn(page);
      await page.locator('#nodes-table td').first().waitFor();
      await front.refuse();
      await page.locator('#overview-problem:not([hidden])').waitFor();
      await inState(page, 'lost');
    },
  },
  'topics-many': {
    open: async ({ page }) => {
      await signedIn(page);
      await page.click('nav a[href="#/topics"]');
      await page.locator('#topics-table td').first().waitFor();
    },
  },
  connections: {
    open: async ({ page }) => {
      await signedIn(page);
      await page.click('nav a[href="#/connections"]');
      await page.locator('#connections-table td').first().waitFor();
    },
  },
  disconnect: {
    open: async (context) => {
      await STATES.connections.open(context);
      await context.page.locator('#connections-table button:text-is("Disconnect")').first().click();
      await context.page.locator('#disconnect-dialog[open]').waitFor();
    },
  },
  explain: {
    open: async (context) => {
      await publishAll(context.server);
      await events(context.page, 8);
      await signedIn(context.page);
      await context.page.click('nav a[href="#/explain"]');
      await context.page.locator('#explain-events label').nth(2).click();
      await context.page.locator('#explain-connections label').nth(1).click();
      await context.page.locator('#explain-result:not([hidden])').waitFor();
    },
  },
};

/** A page in one of the states. @param {(t: object) => Promise<import('playwright-core').Page>} newPage */
export async function openState(t, name, newPage) {
  const { configured, outcome, args, open, openAgain } = STATES[name];
  const server = await Server.start(t, { args });
  const front = await Console.start(t, server.port, operatorSide({ configured, outcome }), ADMIN_KEY);
  const page = await newPage();
  await page.goto(`${front.url}/`);
  await inState(page, 'open');
  await open({ page, server, front });
  return { page, server, front, openAgain: async () => openAgain?.({ page }) };
}
