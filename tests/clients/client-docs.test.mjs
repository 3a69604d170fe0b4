// The code of the manual about the browser client, and of the package's README, as it stands there.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { launch, newPage } from './support/browser.mjs';
import { bundle, svelte } from './support/client-build.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { start } from './support/process.mjs';
import { documented } from './support/readme.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { Site } from './support/tabs.mjs';
import { jwt, SECRET } from './support/tokens.mjs';
import { until } from './support/until.mjs';

const MANUAL = 'docs/client.md';
const INLINE = "default-src 'none'; script-src 'self' 'unsafe-inline'; worker-src 'self'; connect-src 'self'";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** The page with this script, or with this markup in place of it. */
async function visit(t, site, { script, html }) {
  if (script) site.front.scripts['/tab.js'] = script;
  if (html) site.front.html = html;
  const page = await newPage(t, browser);
  page.logged = [];
  page.on('console', (message) => page.logged.push(message.text()));
  await page.goto(`${site.front.url}/page`);
  page.shows = (text) => until(
    async () => (await page.evaluate(() => document.body.innerText)).trim() === text, () => `${text} on the page, which logged ${page.logged}`,
  );
  return page;
}

const put = (server, value) => request(`${server.url}/signals/counter`, {
  method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ value }),
});

describe('the manual of the browser client', SUITE, () => {
  it('has a page that shows events', TEST, async (t) => {
    const site = await Site.start(t, { policy: INLINE });
    const page = await visit(t, site, { html: await documented(MANUAL, 'Receive events', 'html') });
    await until(async () => await page.title() === 'open', 'the state as the title');
    await site.server.publish({ topic: 'news', data: 'a' });
    await site.server.publish({ topic: 'sport', data: 'b' });
    await page.shows('a\nb');
    await site.server.kill();
    await until(async () => /^waiting: disconnected$/.test(await page.title()), 'the problem as the title');
  });

  it('has a page that shows a document', TEST, async (t) => {
    const site = await Site.start(t, { policy: INLINE });
    const page = await visit(t, site, { html: await documented(MANUAL, 'Keep a document up to date', 'html') });
    await page.shows('none');
    for (const value of [1, 2]) {
      await put(site.server, value);
      await page.shows(String(value));
    }
  });

  const block = (language) => documented(MANUAL, 'Keep a document up to date', language);
  const components = {
    React: async () => bundle(`${await block('jsx')}
      import { createRoot } from 'react-dom/client';
      createRoot(document.body).render(<Counter />);`, [], 'jsx'),
    Vue: async () => bundle(`${await block('js')}
      import { createApp } from 'vue';
      createApp(Counter).mount(document.body);`),
    Svelte: async () => bundle(`import { mount } from 'svelte';
      import Component from './Component.svelte';
      mount(Component, { target: document.body });`, [svelte(await block('svelte'))]),
  };
  for (const [framework, build] of Object.entries(components)) {
    it(`has a component for ${framework}`, TEST, async (t) => {
      const site = await Site.start(t);
      const page = await visit(t, site, { script: await build() });
      await page.shows('none');
      await put(site.server, 7);
      await page.shows('7');
    });
  }

  it('has a page that sends a token', TEST, async (t) => {
    const args = ['--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`];
    const site = await Site.start(t, { key: 'key-of-the-backend', args });
    site.front.scripts['/token'] = () => jwt({ sub: '17', sse: { subscribe: ['users/17/{+rest}'] } });
    const page = await visit(t, site, { script: await documented(MANUAL, 'Send a token', 'js') });
    await site.hasStreams(1);
    await site.server.publish({ topic: 'users/17/notes', private: true, data: 'hello' });
    await until(() => page.logged.includes('hello'), () => `the event in the console, which has ${page.logged}`);
  });

  it('has a page whose user is known by a cookie', TEST, async (t) => {
    const site = await Site.start(t, { key: 'key-of-the-backend', args: ['--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`] });
    site.front.headers['set-cookie'] = `sse_token=${jwt({ sub: '17', sse: { subscribe: ['users/17/{+rest}'] } })}; HttpOnly; SameSite=Lax; Path=/`;
    site.front.scripts['/me'] = '{"id":17}';
    const page = await visit(t, site, { script: await documented(MANUAL, 'Sign in with cookies', 'js') });
    await site.hasStreams(1);
    await site.server.publish({ topic: 'users/17/notes', private: true, data: 'hello' });
    await until(() => page.logged.includes('hello'), () => `the event in the console, which has ${page.logged}`);
  });

  it('has the names of all options and states', async () => {
    const types = await readFile(new URL('../../clients/js/src/types.ts', import.meta.url), 'utf8');
    const manual = await readFile(new URL(`../../${MANUAL}`, import.meta.url), 'utf8');
    const options = types.slice(types.indexOf('interface ConnectionOptions'), types.indexOf('interface Subscription'));
    const names = [...options.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name);
    const states = [...types.match(/type State = (.*);/)[1].matchAll(/\w+/g)].map(([name]) => name);
    assert.ok(names.length > 12 && states.length === 6);
    for (const name of [...names, ...states]) assert.ok(new RegExp(`^\\|[^|]*\`${name}\``, 'm').test(manual), name);
  });

  for (const [file, title] of [[MANUAL, 'For bundlers and Node.js'], ['clients/js/README.md', 'sse-broadcaster-client']]) {
    it(`has a program for Node.js: ${file}`, TEST, async (t) => {
      const server = await Server.start(t);
      const folder = await mkdtemp(join(tmpdir(), 'sse-broadcaster-node-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const program = (await documented(file, title, 'js')).replaceAll('http://127.0.0.1:8000', server.url);
      await writeFile(join(folder, 'program.mjs'), await bundle(program));
      let printed = '';
      const child = await start(t, process.execPath, [join(folder, 'program.mjs')]);
      child.stdout.on('data', (text) => { printed += text; });
      await until(async () => {
        await server.publish({ topic: 'news', data: 'hello' });
        return /\d-\d+ .*hello/.test(printed);
      }, () => `the event in ${printed}`);
    });
  }
});
