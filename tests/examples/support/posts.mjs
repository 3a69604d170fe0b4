// A window on the page of posts, and what a person does in it.
import assert from 'node:assert/strict';

import { newPage } from '../../clients/support/browser.mjs';
import { SUITE } from '../../clients/support/limits.mjs';
import { request } from '../../clients/support/request.mjs';
import { until } from '../../clients/support/until.mjs';

/** Each test has windows and a server of its own; more at once would only wait for each other. */
export const POSTS_SUITE = { ...SUITE, concurrency: 2 };
export const COOKIE = 'posts_visitor';

/** What the browser and the extension say of a stream that is cut, or still being opened, as at a test's end. */
const CUT = /^htmx: htmx:sse:error|^htmx: htmx:error: Failed to fetch[^]*\/hx-sse|net::ERR_/;

/** A window of a browser of its own; whatever goes wrong in it fails the test at its end. */
export async function openWindow(t, browser, url, { path = '/home', tolerates, ...options } = {}) {
  const page = await newPage(t, browser, options);
  const errors = [];
  page.on('pageerror', (error) => errors.push(`${error}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' || CUT.test(message.text()) || tolerates?.test(message.text())) return;
    errors.push(message.text());
  });
  page.on('dialog', (dialog) => {
    if (dialog.type() === 'confirm') return dialog.accept();
    errors.push(`a dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  t.after(() => assert.deepEqual(errors, []));
  await page.goto(`${url}${path}`);
  return page;
}

export const whenRefused = { tolerates: /status of 4\d\d/ };

export const article = (page, text) => page.locator('article').filter({ hasText: text });
const messages = (page) => page.locator('article .message').allInnerTexts();

/** Resolves once the post and the response are there: the stream may be first. */
export async function write(page, message) {
  await page.fill('#message', message);
  await page.click('#compose button');
  await article(page, message).waitFor();
  await cleared(page);
}

/** Resolves once the form for the next post is empty, as the response to the last one has it. */
export const cleared = (page) => until(
  async () => await page.inputValue('#message') === '',
  'what was sent to leave the form',
);

/** Resolves once no sentence is shown. */
export const unnoticed = (page) => until(
  async () => await page.locator('#notice').innerText() === '',
  'the sentence to leave',
);

export async function beginEdit(page, text) {
  await article(page, text).getByText('Edit').click();
  const field = article(page, text).locator('.edit textarea');
  await field.waitFor();
  return field;
}

export async function edit(page, from, to) {
  await (await beginEdit(page, from)).fill(to);
  await article(page, from).getByText('Save').click();
  await article(page, to).waitFor();
  await page.locator('.edit').waitFor({ state: 'detached' });
}

export const hasFocus = (field) => field.evaluate((element) => element === document.activeElement);

export const remove = (page, text) => article(page, text).getByText('Delete').click();

/** Resolves once both windows show the same, `expected` from the newest to the oldest. */
export async function converge(windows, expected) {
  for (const page of windows) {
    let shown;
    const same = async () => {
      shown = await messages(page);
      return JSON.stringify(shown) === JSON.stringify(expected);
    };
    await until(same, () => `${JSON.stringify(expected)}; shown is ${JSON.stringify(shown)}`);
  }
}

export const post = (url, fields, headers = {}) => request(`${url}/home`, {
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(fields),
});

export async function posted(url, fields, headers) {
  const answer = await post(url, fields, headers);
  assert.equal(answer.status, 201, answer.body);
  return JSON.parse(answer.body);
}

export async function cookieOf(page) {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === COOKIE);
}
