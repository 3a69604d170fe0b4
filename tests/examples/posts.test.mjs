// The page of posts, used as people do, in several windows at once.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch } from '../clients/support/browser.mjs';
import { TEST } from '../clients/support/limits.mjs';
import { request } from '../clients/support/request.mjs';
import { published, subscribe } from '../clients/support/sse.mjs';
import { until } from '../clients/support/until.mjs';
import { Example } from './support/example.mjs';
import {
  article, beginEdit, cleared, converge, edit, hasFocus, openWindow, posted, POSTS_SUITE, remove, whenRefused, write,
} from './support/posts.mjs';

const PAGE_POSTS = 20;
const MOST_SHOWN = 200;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const open = (t, url, options) => openWindow(t, browser, url, options);

describe('the page of posts', POSTS_SUITE, () => {
  it('shows a post of one window in the other, where every draft stays as it was', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const [ann, ben] = [await open(t, url), await open(t, url)];
    await write(ben, 'Ben was here');
    const editing = await beginEdit(ben, 'Ben was here');
    await editing.fill('Ben was here, and is');
    await ben.fill('#message', 'half a thou');
    await ben.fill('#username', 'Benjam');

    for (const focused of ['#message', '#username', '.edit textarea', 'body']) {
      await ben.locator(focused).focus();
      const text = `while ${focused} has the focus`;
      await write(ann, text);
      await article(ben, text).waitFor();
      assert.equal(await ben.inputValue('#message'), 'half a thou');
      assert.equal(await ben.inputValue('#username'), 'Benjam');
      assert.equal(await editing.inputValue(), 'Ben was here, and is');
      if (focused !== 'body') {
        assert.ok(await hasFocus(ben.locator(focused)));
      }
    }
    await ben.click('#compose button');
    await article(ann, 'half a thou').waitFor();
    await cleared(ben);
    await until(() => hasFocus(ben.locator('#message')), 'the field for the next message to have the focus');
    assert.match(await article(ann, 'half a thou').innerText(), /Benjam/);
    assert.equal(await editing.inputValue(), 'Ben was here, and is');
  });

  it('shows an edit and a deletion in the other window', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const [ann, ben] = [await open(t, url), await open(t, url)];
    for (const text of ['first', 'secnod', 'third']) await write(ann, text);
    await article(ben, 'third').waitFor();

    await edit(ann, 'secnod', 'second');
    await converge([ann, ben], ['third', 'second', 'first']);
    assert.match(await article(ben, 'second').innerText(), /edited/);
    await remove(ann, 'third');
    await converge([ann, ben], ['second', 'first']);
  });

  it('shows thanks to the author of a post alone, live and when the page is loaded again', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const [ann, ben, eve] = [await open(t, url), await open(t, url), await open(t, url)];
    await write(ann, 'a gift');
    await article(ben, 'a gift').getByText('Thank').click();
    const notification = ann.locator('#notifications li', { hasText: 'thanks you for' });
    await notification.waitFor();
    assert.match(await notification.innerText(), /a gift/);
    await article(ben, 'a gift').getByText('Thank').click();
    await write(ben, 'the end');
    for (const window of [ann, eve]) await article(window, 'the end').waitFor();
    assert.equal(await notification.count(), 1, 'each visitor thanks once');
    for (const window of [ben, eve]) assert.equal(await window.locator('#notifications li').count(), 0);
    for (const window of [ann, ben, eve]) await window.reload();
    await notification.waitFor();
    for (const window of [ben, eve]) assert.equal(await window.locator('#notifications li').count(), 0);
    assert.equal(await article(ann, 'a gift').getByText('Thank').isVisible(), false, 'nobody thanks themselves');
  });

  it('keeps a draft of a post that changes, or goes, in another window of its author', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const here = await open(t, url, whenRefused);
    await write(here, 'mine');
    const there = await here.context().newPage();
    there.on('dialog', (dialog) => dialog.accept());
    await there.goto(url);

    const draft = await beginEdit(here, 'mine');
    await draft.fill('mine, longer');
    await edit(there, 'mine', 'mine, changed');
    await article(here, 'mine, changed').waitFor();
    assert.equal(await here.locator('.edit textarea').inputValue(), 'mine, longer');

    await remove(there, 'mine, changed');
    await converge([there], []);
    await here.locator('article.deleted').waitFor();
    assert.equal(await here.locator('.edit textarea').inputValue(), 'mine, longer');
    await here.getByText('Save').click();
    await here.locator('#notice', { hasText: 'not there any more' }).waitFor();
    assert.equal(await here.locator('.edit textarea').inputValue(), 'mine, longer');
    await here.getByText('Cancel').click();
    await here.locator('article.deleted').waitFor({ state: 'hidden' });
  });

  it('shows markup in names and messages as the text that it is', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const [ann, ben] = [await open(t, url), await open(t, url)];
    const script = '<script>alert(1)</script>';
    const image = '"><img src=x onerror=alert(2)>';
    const oob = '</div><div hx-swap-oob="delete:#posts"></div><template><hx-partial>';
    await ann.fill('#username', image);
    await write(ann, script);
    await write(ann, oob);
    await edit(ann, script, `${script} &amp; ${image}`);
    await converge([ann, ben], [oob, `${script} &amp; ${image}`]);
    for (const page of [ann, ben]) {
      assert.deepEqual(await page.locator('article .byline b').allInnerTexts(), [image, image]);
    }
    await ben.reload();
    await converge([ben], [oob, `${script} &amp; ${image}`]);
    assert.equal(await ben.locator('article script, article [onerror], #posts template').count(), 0);
    const avatar = ben.locator('article .avatar').first();
    await until(() => avatar.evaluate((image) => image.naturalWidth > 0), 'the avatar of that name');
  });

  it('calls a browser by one name over pushes, reloads and restarts, and by the name it sends', TEST, async (t) => {
    const example = await Example.start(t, 'posts');
    const [ann, ben] = [await open(t, example.url), await open(t, example.url)];
    const name = await ann.inputValue('#username');
    assert.match(name, /^[A-Z][a-z]+ [A-Z][a-z]+$/);
    await write(ben, 'a push');
    await article(ann, 'a push').waitFor();
    assert.equal(await ann.inputValue('#username'), name);
    await ann.reload();
    assert.equal(await ann.inputValue('#username'), name);
    await write(ann, 'mine');
    assert.match(await article(ben, 'mine').innerText(), new RegExp(name));

    await ann.fill('#username', 'Ann');
    await write(ann, 'mine, too');
    await example.kill();
    await example.startAgain();
    await ann.goto(`${example.url}/`);
    assert.equal(await ann.inputValue('#username'), 'Ann');
    assert.match(await article(ann, 'mine, too').innerText(), /Ann/);
  });

  it('pages the older posts, and sends each change alone', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const { headers } = await request(url);
    const [cookie] = headers['set-cookie'][0].split(';');
    const total = 2 * PAGE_POSTS + 5;
    for (let n = 1; n <= total; n += 1) await posted(url, { message: `number ${n}` }, { cookie });
    const from = (newest, count) => Array.from({ length: count }, (_, n) => `number ${newest - n}`);

    const { events } = await subscribe(t, `${url}/home/sse?since=earliest`);
    await until(() => published(events).length === total, 'every post once');
    for (const { data } of published(events)) assert.equal(data.match(/<article/g).length, 1);

    const page = await open(t, url);
    await page.fill('#message', 'a draft');
    await converge([page], from(total, PAGE_POSTS));
    await page.getByText('Older posts').click();
    await converge([page], from(total - PAGE_POSTS, PAGE_POSTS));
    // What is older does not move when something new comes, and still changes with its posts.
    const change = { method: 'POST', headers: { cookie, 'content-type': 'application/json' } };
    await posted(url, { message: 'new' }, { cookie });
    await request(`${url}/home/posts/40`, { ...change, body: JSON.stringify({ message: 'elsewhere' }) });
    await request(`${url}/home/posts/${total - PAGE_POSTS}`, { ...change, body: JSON.stringify({ message: 'changed' }) });
    await converge([page], ['changed', ...from(total - PAGE_POSTS - 1, PAGE_POSTS - 1)]);
    await page.getByText('Older posts').click();
    await converge([page], ['number 5', 'number 4', 'number 3', 'number 2', 'number 1']);
    await page.getByText('Newest posts').click();
    await converge([page], ['new', ...from(total, 5), 'elsewhere', ...from(39, PAGE_POSTS - 7)]);
    assert.equal(await page.inputValue('#message'), 'a draft');
  });

  it('shows a bounded number of posts however many come, and the older ones on the next pages', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const page = await open(t, url);
    const total = MOST_SHOWN + 5;
    for (let n = 1; n <= total; n += 1) await posted(url, { message: `number ${n}` });
    await article(page, `number ${total}`).waitFor();
    await until(async () => await page.locator('article').count() === MOST_SHOWN, 'the oldest to leave');
    await page.getByText('Older posts').click();
    await converge([page], ['number 5', 'number 4', 'number 3', 'number 2', 'number 1']);
  });
});
