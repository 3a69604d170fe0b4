// The page of posts in two tabs of Firefox, which has no driver: a script in the page writes, and reports.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { visitWithFirefox } from '../clients/support/firefox.mjs';
import { Front } from '../clients/support/front.mjs';
import { TEST } from '../clients/support/limits.mjs';
import { until } from '../clients/support/until.mjs';
import { Example } from './support/example.mjs';
import { posted, POSTS_SUITE } from './support/posts.mjs';

const POSTS = new URL('../../examples/posts/files/posts.js', import.meta.url);

/** Runs in the page, behind its own script: reports what is shown, and takes `?writes` through its steps. */
function act() {
  const tab = location.search;
  const find = (selector) => document.querySelector(selector);
  const newest = () => find('article .message')?.textContent;
  const submit = (form, text) => {
    form.elements.message.value = text;
    form.requestSubmit();
    return true;
  };
  const edit = (link) => {
    link?.click();
    return link;
  };
  const steps = tab !== '?writes' ? [] : [
    () => newest() === 'begin' && submit(find('#compose'), 'of Firefox'),
    () => edit(find('article[data-number="2"] .own a')),
    () => find('.edit') && (find('.edit textarea').value = 'a draft'),
    () => newest() === 'save' && submit(find('.edit'), 'of Firefox, edited'),
  ];
  let said;
  setInterval(() => {
    if (steps[0]?.()) steps.shift();
    const messages = [...document.querySelectorAll('article .message')].map((message) => message.textContent);
    const shown = JSON.stringify({ tab, messages, draft: find('.edit textarea')?.value ?? null });
    if (shown !== said) fetch('/report', { method: 'POST', body: shown });
    said = shown;
  }, 50);
}

async function visit(t) {
  const example = await Example.start(t, 'posts');
  const front = await Front.start(t, example.port);
  front.scripts['/posts.js'] = `${await readFile(POSTS, 'utf8')}\n(${act})();`;
  const tabs = ['?writes', '?reads'];
  await visitWithFirefox(t, ...tabs.map((tab) => `${front.url}/home${tab}`));
  const shown = (tab) => front.reports.findLast((report) => report.tab === tab);
  const show = async (messages, draft, timeout) => {
    for (const tab of tabs) {
      const expected = JSON.stringify({ tab, messages, draft: tab === '?writes' ? draft : null });
      await until(() => JSON.stringify(shown(tab)) === expected, () => `${expected}, after ${JSON.stringify(shown(tab))}`, timeout);
    }
  };
  await show([], null, 40_000);
  return { example, front, show };
}

describe('the page of posts in Firefox', POSTS_SUITE, () => {
  it('shows each change at once in both tabs, and what was missed after a cut and a loss', TEST, async (t) => {
    const { example, front, show } = await visit(t);
    const { url } = example;
    await posted(url, { message: 'begin' });
    // Firefox lets the second of two equal requests wait for 20 s where the first may be cached.
    await show(['of Firefox', 'begin'], 'a draft', 15_000);

    await front.refuse();
    await posted(url, { message: 'missed' });
    await front.accept();
    await show(['missed', 'of Firefox', 'begin'], 'a draft');

    await example.kill();
    await rm(join(example.directory, 'log'), { recursive: true });
    await example.startAgain();
    await posted(url, { message: 'save' });
    await show(['save', 'missed', 'of Firefox, edited', 'begin'], null);
  });
});
