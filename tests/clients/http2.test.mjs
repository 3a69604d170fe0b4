// HTTP/2 in browsers: streams of many tabs share one connection, all are live, and all resume.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { launch, newContext } from './support/browser.mjs';
import { visitTrusting } from './support/firefox.mjs';
import { Front } from './support/front.mjs';
import { SUITE } from './support/limits.mjs';
import { REPORT } from './support/report.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

/** More than the six connections that a browser opens to an origin. */
const TABS = 20;
/** Browsers open many tabs slowly on a busy machine. */
const OPEN_MS = 120_000;

describe('20 tabs over HTTP/2', SUITE, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sse-broadcaster-tls-'));
  const [certificate, key] = ['own.crt', 'own.key'].map((name) => join(directory, name));
  let browser;
  before(async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
      '-out', certificate, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A server of HTTPS with history on disk, and pages of another origin with a stream of it each. */
  async function start(t) {
    const data = mkdtempSync(join(directory, 'data-'));
    const server = await Server.start(t, {
      args: ['--admin-listen', '127.0.0.1:0', '--tls-cert', certificate, '--tls-key', key, '--data-dir', data, '--cors-origin', '*', '--drain-time', '1s'],
    });
    const front = await Front.start(t, server.adminPort, `<!doctype html><link rel=icon href="data:,"><script type=module>${REPORT}
      const own = crypto.randomUUID?.() ?? String(Math.random());
      const source = new EventSource('https://localhost:${server.port}/events?topic=a');
      source.addEventListener('connected', () => report([own, 'connected']));
      source.addEventListener('gap', () => report([own, 'gap']));
      source.onmessage = ({ data }) => report([own, data]);</script>`);
    return { server, front };
  }

  const metric = async (server, name) => {
    const { body } = await request(`${server.url}/metrics`);
    return Number(body.match(new RegExp(`^sse_broadcaster_${name} (\\d+)$`, 'm'))?.[1]);
  };

  /** All tabs are live over one connection, and go on where they were after a drain and a new start. */
  async function allAreLiveAndResume({ server, front }) {
    const all = (what) => new Set(front.reports.filter(([, reported]) => reported === what).map(([tab]) => tab));
    await until(() => all('connected').size === TABS, () => `${TABS} streams, of ${front.reports.length} reports`, OPEN_MS);
    assert.equal(await metric(server, 'http2_subscribers'), TABS);
    assert.equal(await metric(server, 'http2_connections'), 1);
    await server.publish({ topic: 'a', data: 'first' });
    await until(() => all('first').size === TABS, () => `the first event in each tab, of ${all('first').size}`, OPEN_MS);
    const ended = new Promise((resolve) => { server.child.once('exit', resolve); });
    server.child.kill('SIGTERM');
    await ended;
    await server.startAgain();
    await server.publish({ topic: 'a', data: 'second' });
    await until(() => all('second').size === TABS, () => `the second event in each tab, of ${all('second').size}`, OPEN_MS);
    const events = front.reports.map(([, reported]) => reported).filter((reported) => reported !== 'connected');
    assert.equal(events.length, 2 * TABS, 'each event once, and no gap');
  }

  it('are all live in Chromium, and resume after a drain', async (t) => {
    const { server, front } = await start(t);
    const context = await newContext(t, browser, { ignoreHTTPSErrors: true });
    for (let tab = 0; tab < TABS; tab += 1) {
      const opened = await context.newPage();
      await opened.goto(`${front.url}/page`);
    }
    await allAreLiveAndResume({ server, front });
  });

  it('are all live in Firefox, and resume after a drain', async (t) => {
    const { server, front } = await start(t);
    const trusted = { [`localhost:${server.port}`]: readFileSync(certificate, 'utf8') };
    await visitTrusting(t, trusted, ...Array.from({ length: TABS }, () => `${front.url}/page`));
    await allAreLiveAndResume({ server, front });
  });
});
