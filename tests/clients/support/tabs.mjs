// Pages that use the browser client, on the origin of a front that serves it and passes streams on to the server.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Front } from './front.mjs';
import { Proxy } from './proxy.mjs';
import { request } from './request.mjs';
import { Server } from './server.mjs';
import { until } from './until.mjs';

const CLIENT = new URL('../../../crates/server/src/http/routes/client.js', import.meta.url);
const POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src data:";
const PAGE = '<!doctype html><link rel=icon href="data:,"><script type=module src=/tab.js></script>';

/** A site with the client, the server behind it, and a proxy between them that can cut. */
export class Site {
  published = [];

  static async start(t, { args = [], keeps = false, key, policy = POLICY } = {}) {
    const site = new Site();
    if (keeps) {
      const directory = await mkdtemp(join(tmpdir(), 'sse-broadcaster-client-'));
      t.after(() => rm(directory, { recursive: true, force: true }));
      args = [...args, '--data-dir', directory];
    }
    site.server = await Server.start(t, { args, key });
    site.proxy = await Proxy.start(t, site.server.port);
    site.front = await Front.start(t, site.proxy.port, PAGE);
    site.front.headers = { 'content-security-policy': policy };
    site.front.scripts = {
      '/client.js': await readFile(CLIENT, 'utf8'),
      '/tab.js': await readFile(new URL('pages/tab.js', import.meta.url), 'utf8'),
    };
    return site;
  }

  /** The streams that are open at the server. */
  async streams() {
    const { body } = await request(`${this.server.url}/metrics`);
    return Number(/^sse_broadcaster_subscribers (\d+)$/m.exec(body)[1]);
  }

  async hasStreams(count) {
    let last;
    await until(async () => (last = await this.streams()) === count, () => `${count} streams, there are ${last}`);
  }

  async publish(...topics) {
    const data = String(this.published.length);
    this.published.push({ data, topics });
    await this.server.publish({ topics, data, ...(this.server.key && { private: true }) });
  }
}

/** A page with a subscription to `topics`. */
export class Tab {
  static async open(context, site, topics, parameters = {}) {
    const tab = new Tab();
    tab.site = site;
    tab.topics = topics;
    tab.page = await context.newPage();
    const query = new URLSearchParams([...topics.map((topic) => ['topic', topic]), ...Object.entries(parameters)]);
    await tab.page.goto(`${site.front.url}/page?${query}`);
    await tab.has('open');
    tab.from = site.published.length;
    return tab;
  }

  async has(state) {
    let now;
    await until(
      async () => (now = await this.page.evaluate(() => window.subscription?.state)) === state, () => `${state}, it is ${now}`,
    );
  }

  got() {
    return this.page.evaluate(() => window.got ?? []);
  }

  expected() {
    const published = this.site.published.slice(this.from);
    return published.filter(({ topics }) => topics.some((topic) => this.topics.includes(topic))).map(({ data }) => data);
  }

  /** Has got everything that was published since it was opened, once and in order. */
  async isExact() {
    const expected = this.expected();
    let got = [];
    await until(
      async () => (got = await this.got()).length >= expected.length,
      () => `${JSON.stringify(expected)} in ${this.topics}, which has ${JSON.stringify(got)}`,
    );
    assert.deepEqual(got, expected);
  }
}

export const allAreExact = (tabs) => Promise.all(tabs.map((tab) => tab.isExact()));
