// The page of posts without scripts, and asked by who means it no good.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';

import { launch } from '../clients/support/browser.mjs';
import { TEST } from '../clients/support/limits.mjs';
import { request } from '../clients/support/request.mjs';
import { Site } from '../clients/support/site.mjs';
import { published, subscribe } from '../clients/support/sse.mjs';
import { until } from '../clients/support/until.mjs';
import { Example } from './support/example.mjs';
import { lock } from './support/sqlite.mjs';
import {
  article, converge, COOKIE, cookieOf, openWindow, post, posted, POSTS_SUITE, remove, unnoticed, whenRefused, write,
} from './support/posts.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const open = (t, url, options) => openWindow(t, browser, url, options);

describe('the page of posts, asked otherwise', POSTS_SUITE, () => {
  it('lets nobody but its author change a post, nor shows others the controls', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const [ann, ben] = [await open(t, url), await open(t, url)];
    await write(ann, 'of Ann');
    await article(ben, 'of Ann').waitFor();
    assert.ok(await article(ann, 'of Ann').getByText('Edit').isVisible());
    assert.equal(await article(ben, 'of Ann').getByText('Edit').isVisible(), false);
    assert.equal(await article(ben, 'of Ann').getByText('Delete').isVisible(), false);

    const [author] = (await cookieOf(ann)).value.split('.');
    const strangers = {
      'no cookie': {},
      'a cookie of another': { cookie: `${COOKIE}=${(await cookieOf(ben)).value}` },
      'the public id with a guessed secret': { cookie: `${COOKIE}=${author}.${'0'.repeat(32)}` },
    };
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    for (const [what, headers] of Object.entries(strangers)) {
      const writes = { method: 'POST', headers: { ...form, ...headers }, body: 'message=taken+over' };
      assert.equal((await request(`${url}/home/posts/1`, writes)).status, 403, what);
      assert.equal((await request(`${url}/home/posts/1/delete`, writes)).status, 403, what);
      assert.equal((await request(`${url}/home/posts/1/edit`, { headers })).status, 403, what);
    }
    await converge([ann, ben], ['of Ann']);
  });

  it('takes no session cookie that a client made up, and keeps the one that it gave', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const madeUp = 'a'.repeat(32);
    const given = async (cookie) => {
      const { headers } = await request(`${url}/home`, { headers: { cookie: `${COOKIE}=${cookie}` } });
      return headers['set-cookie']?.[0].match(new RegExp(`^${COOKIE}=([^;]+)`))[1];
    };
    for (const proof of ['', `.${'0'.repeat(64)}`, '.', '.x']) {
      const cookie = await given(`${madeUp}.${'b'.repeat(32)}${proof}`);
      assert.match(cookie, /^[0-9a-f]{32}\.[0-9a-f]{32}\.[0-9a-f]{64}$/);
      assert.ok(!cookie.startsWith(madeUp));
      assert.equal(await given(cookie), undefined, 'its own cookie stays');
      const [id, secret, own] = cookie.split('.');
      for (const changed of [`${madeUp}.${secret}.${own}`, `${id}.${madeUp}.${own}`]) {
        assert.ok(await given(changed), 'a changed one is replaced');
      }
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded', cookie: `${COOKIE}=${madeUp}.${madeUp}` };
    const { headers } = await request(`${url}/home`, { method: 'POST', headers: form, body: 'username=Eve&message=made+up' });
    assert.ok(headers['set-cookie'], 'somebody new wrote it');
    const { body } = await request(`${url}/home`);
    assert.ok(body.includes('made up') && !body.includes(madeUp));
  });

  it('never tells the secret to a script, a page or the stream', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const ann = await open(t, url);
    await write(ann, 'of Ann');
    const cookie = await cookieOf(ann);
    assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Lax']);
    const [author, secret] = cookie.value.split('.');
    const { events } = await subscribe(t, `${url}/home/sse?since=earliest`);
    await until(() => published(events).length === 1, 'the post');
    await ann.reload();
    const [page, pushed] = [await ann.content(), published(events)[0].data];
    for (const text of [page, pushed]) {
      assert.ok(text.includes(author) && !text.includes(secret));
    }
    assert.equal(await ann.evaluate(() => document.cookie), '');
  });

  it('refuses with a sentence, and what was typed stays', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const page = await open(t, url, whenRefused);
    await page.fill('#message', '   ');
    await page.click('#compose button');
    await page.locator('#notice', { hasText: 'The message is empty' }).waitFor();
    await write(page, 'not empty');
    await unnoticed(page);

    const json = 'application/json';
    const form = 'application/x-www-form-urlencoded';
    const cases = [
      [422, json, '{"username":"A"}'],
      [422, json, '{"message":7}'],
      [422, json, JSON.stringify({ message: 'x'.repeat(1_001) })],
      [422, json, JSON.stringify({ message: 'x', username: 'x'.repeat(41) })],
      [422, json, JSON.stringify({ message: 'x', username: ' ' })],
      [422, json, JSON.stringify({ message: 'x', username: 'two\nlines' })],
      [422, form, 'username=A'],
      [422, form, 'message=+&username=A'],
      [400, json, '{"message":'],
      [400, form, 'message=one&message=two'],
      [413, json, JSON.stringify({ message: 'x'.repeat(40_000) })],
      [415, 'text/plain', 'hello'],
      [415, 'multipart/form-data; boundary=x', '--x--'],
      [415, undefined, 'hello'],
    ];
    for (const [status, type, body] of cases) {
      const headers = type === undefined ? {} : { 'content-type': type };
      const answer = await request(`${url}/home`, { method: 'POST', headers, body });
      assert.equal(answer.status, status, `${type} ${body.slice(0, 60)}: ${answer.body}`);
      if (type === json) assert.match(JSON.parse(answer.body).detail, /^[A-Z].*\.$/);
    }
    assert.equal((await post(url, { message: 'ö'.repeat(1_000) })).status, 201, 'characters are counted, not bytes');
    assert.equal((await request(`${url}/home?before=x`)).status, 422);
    assert.equal((await request(`${url}/home/posts/99/edit`)).status, 404);
    assert.equal((await request(`${url}/nowhere`)).status, 404);
    for (const path of ['/', '/home/sse', '/posts.css']) {
      assert.equal((await request(`${url}${path}`, { method: 'PUT' })).status, 405, path);
      assert.equal((await request(`${url}${path}`, { method: 'HEAD' })).status, 200, path);
    }
  });

  it('takes a sentence away also when the post has gone before the response to its deletion', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const page = await open(t, url, whenRefused);
    await write(page, 'goes');
    await page.fill('#message', '   ');
    await page.click('#compose button');
    await page.locator('#notice', { hasText: 'The message is empty' }).waitFor();
    await page.route('**/delete', async (route) => {
      const response = await route.fetch();
      await converge([page], []);
      await route.fulfill({ response });
    });
    await remove(page, 'goes');
    await unnoticed(page);
  });

  it('shows a 503 as a sentence where the posts cannot be written, and keeps what was typed', TEST, async (t) => {
    const { url, directory } = await Example.start(t, 'posts');
    const page = await open(t, url, { tolerates: /status of 503/ });
    await write(page, 'before');
    await page.fill('#message', 'a draft');
    const release = await lock(t, directory, 'posts.sqlite');
    await page.click('#compose button');
    await page.locator('#notice', { hasText: 'nothing was changed' }).waitFor();
    assert.equal(await page.inputValue('#message'), 'a draft');
    await release();
    await page.click('#compose button');
    await converge([page], ['a draft', 'before']);
    await unnoticed(page);
  });

  it('shows a refusal of another page as a sentence, beside the posts that are there', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    for (let n = 1; n <= 21; n += 1) await posted(url, { message: `number ${n}` });
    const page = await open(t, url, whenRefused);
    await page.evaluate(() => { document.querySelector('#older [name=before]').value = 'x'; });
    await page.getByText('Older posts').click();
    await page.locator('#notice', { hasText: 'is the number of a post' }).waitFor();
    assert.equal(await page.locator('article').count(), 20);
    await write(page, 'still live');
  });

  it('works without scripts', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    await posted(url, { username: 'Ben', message: 'of Ben' });
    const page = await open(t, url, { javaScriptEnabled: false, ...whenRefused });
    await converge([page], ['of Ben']);
    await page.fill('#message', 'in plain HTML');
    await page.click('#compose button');
    await converge([page], ['in plain HTML', 'of Ben']);
    assert.equal(new URL(page.url()).pathname, '/home');

    await page.fill('#username', 'Ann');
    await page.fill('#message', '  ');
    await page.click('#compose button');
    await page.getByText('The message is empty').waitFor();
    assert.equal(await page.inputValue('#username'), 'Ann', 'the form comes again with what was typed');
    await page.fill('#message', 'a second try');
    await page.click('#compose button');
    await converge([page], ['a second try', 'in plain HTML', 'of Ben']);

    await article(page, 'in plain HTML').getByText('Edit').click();
    await page.fill('.edit textarea', 'in plain HTML, edited');
    await page.getByText('Save').click();
    await converge([page], ['a second try', 'in plain HTML, edited', 'of Ben']);
    await remove(page, 'a second try');
    await converge([page], ['in plain HTML, edited', 'of Ben']);
  });

  it('takes nothing from the pages of other sites', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const ann = await open(t, url);
    await write(ann, 'of Ann');
    const site = await Site.start(t);
    const evil = site.serve(`
      <form method=post action="${url}/home"><input name=message value=forged></form>
      <form method=post action="${url}/home/posts/1/delete"></form>
      <script>
        fetch('${url}/home', { method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams({ message: 'forged' }) })
          .finally(() => { document.title = 'sent'; });
      </script>`);
    for (const form of [0, 1]) {
      const page = await ann.context().newPage();
      await page.goto(`http://evil.test:${site.port}${evil}`);
      await page.waitForFunction(() => document.title === 'sent');
      const [answer] = await Promise.all([
        page.waitForResponse((response) => response.url().startsWith(url) && response.request().isNavigationRequest()),
        page.evaluate((n) => document.forms[n].submit(), form),
      ]);
      assert.equal(answer.status(), 403);
    }
    await write(ann, 'the last');
    await converge([ann], ['the last', 'of Ann']);
  });

  it('may be written to under another name only where it was told that name', TEST, async (t) => {
    const named = (port) => `http://posts.test:${port}`;
    const stranger = await Example.start(t, 'posts');
    const there = await open(t, named(stranger.port), whenRefused);
    await there.fill('#message', 'under a name that was pointed here');
    await there.click('#compose button');
    await there.locator('#notice', { hasText: '--origin' }).waitFor();

    const { port } = await Example.start(t, 'posts', (port) => ['--origin', named(port)]);
    const here = await open(t, named(port));
    await write(here, 'under its own name');
    await converge([here], ['under its own name']);
  });

  it('gives the scripts of the versions that package.json names, as the page says they are', TEST, async (t) => {
    const { url } = await Example.start(t, 'posts');
    const { body } = await request(url);
    const scripts = [...body.matchAll(/src="(\/lib\/[^"]+)" integrity="sha384-([^"]+)" crossorigin="anonymous"/g)];
    const manifest = await readFile(new URL('../../examples/package.json', import.meta.url), 'utf8');
    const versions = Object.values(JSON.parse(manifest).dependencies);
    assert.ok(versions.every((version) => scripts.some(([, path]) => path.includes(`-${version}.`))), 'each package is used');
    for (const [, path, integrity] of scripts) {
      assert.ok(versions.some((version) => path.includes(`-${version}.`)), path);
      const script = await fetch(`${url}${path}`);
      assert.match(script.headers.get('cache-control'), /immutable/);
      const hash = createHash('sha384').update(Buffer.from(await script.arrayBuffer()));
      assert.equal(hash.digest('base64'), integrity, path);
    }
    assert.equal((await request(`${url}/lib/..%2fpackage.json`)).status, 404);
    assert.doesNotMatch(body, /localhost|127\.0\.0\.1/);
  });
});
