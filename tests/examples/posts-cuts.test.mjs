// The page of posts where its server is killed, its connections are cut, or history is lost.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { launch, newPage } from '../clients/support/browser.mjs';
import { TEST } from '../clients/support/limits.mjs';
import { Proxy } from '../clients/support/proxy.mjs';
import { published, subscribe } from '../clients/support/sse.mjs';
import { Example } from './support/example.mjs';
import { writeAsAnother } from './support/sqlite.mjs';
import {
  beginEdit, converge, edit, hasFocus, openWindow, posted, POSTS_SUITE, remove, write,
} from './support/posts.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const open = (t, url, options) => openWindow(t, browser, url, options);

/** As a browser does when another tab is chosen. */
const show = (page, isShown) => page.evaluate((hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}, !isShown);

describe('the page of posts, cut off', POSTS_SUITE, () => {
  it('loses nothing when it is killed, and open windows go on by themselves', TEST, async (t) => {
    const example = await Example.start(t, 'posts');
    const windows = [await open(t, example.url), await open(t, example.url)];
    const [ann, ben] = windows;
    await write(ann, 'before');
    await ben.fill('#message', 'a draft');
    const draft = await beginEdit(ann, 'before');
    await draft.fill('an edit that waits');
    await posted(example.url, { message: 'at the last moment' });
    await example.kill();
    await example.startAgain();
    await posted(example.url, { message: 'after' });
    await converge(windows, ['after', 'at the last moment', 'before']);
    assert.equal(await ben.inputValue('#message'), 'a draft');
    assert.equal(await draft.inputValue(), 'an edit that waits');
    await ann.getByText('Save').click();
    await converge(windows, ['after', 'at the last moment', 'an edit that waits']);
  });

  it('shows what was posted, edited and deleted while a window was cut off', TEST, async (t) => {
    const { url, port } = await Example.start(t, 'posts');
    const proxy = await Proxy.start(t, port);
    const [ann, ben] = [await open(t, url), await open(t, proxy.url)];
    for (const text of ['stays', 'changes', 'goes']) await write(ann, text);
    await converge([ben], ['goes', 'changes', 'stays']);
    await proxy.refuse();
    await write(ann, 'missed');
    await edit(ann, 'changes', 'changed');
    await remove(ann, 'goes');
    await converge([ann], ['missed', 'changed', 'stays']);
    await proxy.accept();
    await converge([ben], ['missed', 'changed', 'stays']);
  });

  for (const browserMoves of [true, false]) {
    const how = browserMoves ? 'that moves nodes' : 'that can only take nodes out and put them in';
    it(`shows the posts anew where something was lost, in a browser ${how}`, TEST, async (t) => {
      const example = await Example.start(t, 'posts');
      const ann = await open(t, 'about:blank', { path: '' });
      if (!browserMoves) await ann.addInitScript(() => delete Element.prototype.moveBefore);
      await ann.goto(example.url);
      assert.equal(await ann.evaluate(() => 'moveBefore' in Element.prototype), browserMoves);
      await write(ann, 'kept');
      const draft = await beginEdit(ann, 'kept');
      await draft.fill('still being edited');
      await ann.fill('#message', 'a draft');
      await example.kill();
      await rm(join(example.directory, 'log'), { recursive: true });
      await example.startAgain();
      await posted(example.url, { message: 'new' });
      await converge([ann], ['new', 'kept']);
      assert.equal(await ann.inputValue('#message'), 'a draft');
      assert.ok(await hasFocus(ann.locator('#message')), 'the form that is kept takes no focus');
      assert.equal(await draft.inputValue(), 'still being edited');
      await ann.getByText('Save').click();
      await converge([ann], ['new', 'still being edited']);
    });
  }

  it('asks again for the posts where something was lost and the first request for them failed', TEST, async (t) => {
    const example = await Example.start(t, 'posts');
    const page = await open(t, example.url, { tolerates: /status of 503|htmx:error/ });
    await write(page, 'kept');
    const failures = [(route) => route.fulfill({ status: 503, body: 'from a proxy' }), (route) => route.abort()];
    await page.route('**/home', (route) => (failures.length > 0 ? failures.shift()(route) : route.continue()));
    await example.kill();
    await rm(join(example.directory, 'log'), { recursive: true });
    await writeAsAnother(t, example.directory, 'posts.sqlite', ['DELETE FROM posts']);
    await example.startAgain();
    await converge([page], []);
    assert.equal(failures.length, 0);
    assert.equal(await page.locator('#notice').innerText(), '');
  });

  it('receives nothing while it is hidden, and shows what it missed when it is seen again', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const page = await open(t, url);
    await write(page, 'seen');
    await show(page, false);
    await posted(url, { message: 'missed' });
    await delay(1_000);
    await converge([page], ['seen']);
    await show(page, true);
    await converge([page], ['missed', 'seen']);
  });

  it('opens its stream although the extension for it comes late', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const page = await open(t, 'about:blank', { path: '' });
    await page.route('**/lib/hx-sse*', async (route) => {
      await delay(1_000);
      await route.continue();
    });
    await page.goto(url);
    await posted(url, { message: 'live' });
    await converge([page], ['live']);
  });

  it('shows nothing twice when a stream begins anew from an older place', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const ann = await open(t, url);
    for (const text of ['one', 'two', 'three']) await write(ann, text);
    await edit(ann, 'two', 'two, edited');
    await remove(ann, 'one');
    await converge([ann], ['three', 'two, edited']);

    const page = await newPage(t, browser);
    await page.route('**/home/sse*', (route) => route.continue({ url: `${url}/home/sse?since=earliest` }));
    await page.goto(url);
    await write(ann, 'four');
    await converge([page], ['four', 'three', 'two, edited']);
  });

  it('goes on from where it was after a proxy answered for the server', TEST, async (t) => {
    const example = await Example.start(t, 'posts');
    const { url } = example;
    const { events } = await subscribe(t, `${url}/home/sse?since=earliest`);
    const ann = await open(t, url, { tolerates: /status of 502/ });
    await write(ann, 'one');
    const streams = [];
    let refusals = 2;
    await ann.route('**/home/sse*', (route) => {
      streams.push(route.request().headers()['last-event-id']);
      refusals -= 1;
      return refusals >= 0 ? route.fulfill({ status: 502 }) : route.continue();
    });
    await ann.reload();
    await posted(url, { message: 'two' });
    await converge([ann], ['two', 'one']);
    assert.deepEqual(streams, [undefined, undefined, undefined], 'the stream was requested again from the page\'s position');
    assert.equal(await ann.locator('#notice').innerText(), '', 'what a proxy says to a stream is not shown');

    refusals = 1;
    await example.kill();
    await example.startAgain();
    await posted(url, { message: 'three' });
    await converge([ann], ['three', 'two', 'one']);
    const [, two] = published(events);
    assert.ok(streams.length > 4, 'the stream was refused, and requested again');
    assert.equal(streams.at(-1), two.id, 'it resumed after its last id');
  });

  it('says that the server is away, and what was typed stays', TEST, async (t) => {
    const example = await Example.start(t, 'posts');
    const page = await open(t, example.url, { tolerates: /htmx:error/ });
    await page.fill('#message', 'too late');
    await example.kill();
    await page.click('#compose button');
    await page.locator('#notice', { hasText: 'cannot be reached' }).waitFor();
    assert.equal(await page.inputValue('#message'), 'too late');
    await example.startAgain();
    await page.click('#compose button');
    await converge([page], ['too late']);
  });

  it('ends at once when it is told to, although windows are open', TEST, async (t) => {
    const example = await Example.start(t, 'posts');
    const page = await open(t, example.url);
    await write(page, 'said');
    assert.equal(await example.end(), 0);
    await example.startAgain();
    await posted(example.url, { message: 'back' });
    await converge([page], ['back', 'said']);
  });
});
