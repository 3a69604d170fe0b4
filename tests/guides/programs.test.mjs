// The programs of docs/clients, as they stand there: a subscriber and a publisher of each language, with a
// proxy and a server that fail.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { hasExited, start } from '../clients/support/process.mjs';
import { Server } from '../clients/support/server.mjs';
import { jwt, SECRET } from '../clients/support/tokens.mjs';
import { until } from '../clients/support/until.mjs';
import { Gate } from './support/gate.mjs';
import { adapted, Guide } from './support/guide.mjs';
import { LANGUAGES } from './support/languages.mjs';
import { REQUIRE_ALL, wanted } from './support/wanted.mjs';

const WORK = fileURLToPath(new URL('.work/', import.meta.url));
const KEY = 'key-of-the-tests-of-guides';
const TOKEN = jwt({ sub: '17', sse: { subscribe: ['news'] } });
/** Compilers included, on a machine that is busy with others. */
const TEST = { timeout: 600_000 };
const PATIENCE = 60_000;

/** A server that needs a token and a key, behind a gate, and the programs of one language. */
class Setting {
  static async start(t, language) {
    const setting = new Setting();
    setting.t = t;
    setting.data = await mkdtemp(join(tmpdir(), 'sse-broadcaster-guides-'));
    setting.server = await Server.start(t, {
      args: ['--data-dir', join(setting.data, 'log'), '--ping-interval', '1s', '--subscribe-access', 'closed', '--token-key', `HS256 ${SECRET}`],
      key: KEY,
    });
    t.after(() => rm(setting.data, { recursive: true, force: true }));
    setting.gate = await Gate.start(t);
    setting.gate.target = setting.server.port;
    setting.folder = join(WORK, language);
    await setting.#build(LANGUAGES[language]);
    return setting;
  }

  async #build({ guide, silence, build }) {
    const files = Object.entries(new Guide(guide).files).map(([name, text]) => {
      const isSubscriber = /^subscribe/i.test(name);
      return [name, adapted(text, { '127.0.0.1:8000': this.gate.address, ...(isSubscriber ? silence : {}) })];
    });
    this.programs = await build(this.folder, Object.fromEntries(files));
  }

  async run([program, ...args], secrets, ...data) {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', ...secrets };
    const child = await start(this.t, program, [...args, ...data], { cwd: this.folder, env });
    const running = { child, output: '', errors: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => { running.output += text; });
    child.stderr.setEncoding('utf8').on('data', (text) => { running.errors += text; });
    return running;
  }

  subscribe(token = TOKEN) {
    return this.run(this.programs.subscribe, { SSE_BROADCASTER_TOKEN: token });
  }

  /** Starts the page's publisher, and resolves with what waits for its success. */
  async publish(data) {
    const publisher = await this.run(this.programs.publish, { SSE_BROADCASTER_PUBLISH_KEY: KEY }, data);
    return async () => {
      await until(() => hasExited(publisher.child), () => `the publisher's end: ${publisher.errors}`, PATIENCE);
      assert.equal(publisher.child.exitCode, 0, publisher.errors);
      assert.match(publisher.output, /\d+-\d+/, 'it prints the id');
    };
  }

  /** What a subscriber prints that is given each event of history once, in order. */
  async history() {
    const response = await fetch(`${this.server.url}/events?topic=news&since=earliest`, {
      headers: { accept: 'application/json', authorization: `Bearer ${TOKEN}` },
    });
    assert.equal(response.status, 200);
    const { events } = await response.json();
    return events.map(({ id, event, data }) => `${id} ${event ?? 'message'} ${data}\n`).join('');
  }
}

async function prints(running, text) {
  const shown = () => `${running.output.length} of ${text.length} characters, and: ${running.errors.slice(-2000)}`;
  await until(() => running.output.length >= text.length || hasExited(running.child), shown, PATIENCE);
  assert.equal(running.output, text);
}

async function deliversEachEventOnce(setting, subscriber) {
  const { server, gate } = setting;
  const catchUp = async () => prints(subscriber, await setting.history());
  const publish = async (data) => (await setting.publish(data))();

  await publish('Grüße, 日本語, 🎈');
  await server.publish({ topic: 'news', data: 'first\n\nthird' });
  await server.publish({ topic: 'news', data: 'x'.repeat(1_000_000) });
  await catchUp();

  gate.loseResponse();
  const publishes = gate.publishes;
  await publish('stored, and its response was lost');
  assert.equal(gate.publishes, publishes + 2, 'the publisher repeats it');
  await catchUp();
  assert.equal(subscriber.output.split('its response was lost').length, 2, 'a repeat is not stored again');

  for (const cut of ['cutInEvent', 'endBeforeId', 'silence']) {
    const opened = gate.opened;
    gate[cut]();
    await server.publish({ topic: 'news', event: 'update', data: `before ${cut} has an effect` });
    await until(() => gate.opened > opened, () => `a new stream after ${cut}: ${subscriber.errors.slice(-2000)}`, PATIENCE);
    await catchUp();
  }
}

async function outlivesTheServer(setting, subscriber) {
  const { server, gate } = setting;
  const attempts = gate.streams.length;
  gate.fail(502);
  const published = await setting.publish('sent while the server is unreachable');
  await server.kill();
  await server.startAgain();
  await server.publish({ topic: 'news', data: 'published meanwhile' });
  await until(() => gate.streams.length > attempts, 'an attempt that gets 502', PATIENCE);
  gate.pass();
  await published();
  await prints(subscriber, await setting.history());
  assert.ok(gate.streams.at(-1), 'it sent its last id');
}

/** Returns what the subscriber has printed: the events before, a gap, and the events after. */
async function reportsAGap(setting, subscriber) {
  const before = subscriber.output;
  const last = setting.gate.streams.length;
  await setting.server.kill();
  await rm(setting.data, { recursive: true });
  await setting.server.startAgain();
  await until(() => setting.gate.streams.length > last && subscriber.output.length > before.length, () => `a gap: ${subscriber.errors.slice(-2000)}`, PATIENCE);
  await setting.server.publish({ topic: 'news', data: 'after the gap' });
  const after = await setting.history();
  await until(() => subscriber.output.endsWith(after), () => `${after} in ${subscriber.output.slice(before.length)}`, PATIENCE);
  assert.ok(subscriber.output.startsWith(before));
  const gap = subscriber.output.slice(before.length, -after.length);
  assert.match(gap, /^gap \{"requested":"\d+-\d+","oldest":.*\}\n$/);
}

describe('the programs of the pages', { concurrency: 2, timeout: 1_800_000 }, () => {
  for (const [name, language] of Object.entries(LANGUAGES)) {
    if (!wanted(name)) continue;
    const missing = language.missing();
    const skip = missing && !REQUIRE_ALL ? missing : false;
    it(`in ${name} get each event once and in order through cuts, kills and 502, and report a gap`, { ...TEST, skip }, async (t) => {
      assert.equal(missing, undefined);
      const setting = await Setting.start(t, name);
      const subscriber = await setting.subscribe();
      await until(() => setting.gate.opened === 1, () => `a stream: ${subscriber.errors}`, PATIENCE);
      await deliversEachEventOnce(setting, subscriber);
      await outlivesTheServer(setting, subscriber);
      await reportsAGap(setting, subscriber);

      const refused = await setting.subscribe(`${TOKEN}x`);
      await until(() => hasExited(refused.child), 'the end of a subscriber with a wrong token', PATIENCE);
      assert.equal(refused.output, '');
      assert.notEqual(refused.child.exitCode, 0);
      assert.match(refused.errors, /token_/);
    });
  }
});
