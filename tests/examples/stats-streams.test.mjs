// The dashboard's streams, as programs see them, its test page and its script.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { launch } from '../clients/support/browser.mjs';
import { SUITE, TEST } from '../clients/support/limits.mjs';
import { request } from '../clients/support/request.mjs';
import { until } from '../clients/support/until.mjs';
import { ADA, AMIR, Dashboard, FIRST } from './support/dashboard.mjs';
import { Example } from './support/example.mjs';
import { writeAsAnother } from './support/sqlite.mjs';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('../../examples/stats/test_sse.sh', import.meta.url));
const MAX_FILTERS = 256;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const actionsOf = ({ activities }) => activities.map(({ action }) => action);

/** The status of a stream, which is closed again by what is returned. */
function openStream(t, url) {
  return new Promise((resolve, reject) => {
    const outgoing = http.get(url, { agent: false }, (response) => {
      response.resume().on('error', () => {});
      resolve({ status: response.statusCode, close: () => outgoing.destroy() });
    });
    outgoing.on('error', reject);
    t.after(() => outgoing.destroy());
  });
}

describe("the dashboard's streams", SUITE, () => {
  it('begin with the whole state, before anything changes', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const stats = await dashboard.subscribe('/api/sse/stats');
    assert.deepEqual(stats.states(), [FIRST]);
    const activity = await dashboard.subscribe('/api/sse/activity?datastar=%7B%7D');
    const [state, ...more] = activity.states();
    assert.deepEqual(more, []);
    assert.equal(state.loading, false);
    assert.equal(state.activities.length, 10);
    assert.deepEqual(Object.keys(state.activities[0]), ['user', 'action', 'time']);
    const times = state.activities.map(({ time }) => time);
    assert.deepEqual(times, times.toSorted().toReversed(), 'newest first');
    const [elements] = activity.events;
    assert.equal(elements.event, 'datastar-patch-elements');
    assert.ok(elements.data.split('\n').every((line) => line.startsWith('elements ')), elements.data);
  });

  it('are sent nothing when what they show has not changed', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const stats = await dashboard.subscribe('/api/sse/stats');
    const everybody = await dashboard.subscribe('/api/sse/activity');
    const ada = await dashboard.subscribe(`/api/sse/activity?user=${ADA}`);
    for (const action of ['one', 'two', 'three']) {
      await dashboard.acts(AMIR, action);
      await until(() => actionsOf(everybody.states().at(-1))[0] === action, action);
    }
    await dashboard.write('UPDATE projects SET name = name', 'VACUUM');
    await dashboard.addProjects(1);
    await until(() => stats.states().at(-1).projectCount === FIRST.projectCount + 1, 'the project');
    await dashboard.acts(ADA, 'the only one');
    await until(() => actionsOf(ada.states().at(-1))[0] === 'the only one', "ada's");
    assert.equal(stats.states().length, 2, 'the state, and the one change');
    assert.equal(ada.states().length, 2, 'the state, and the one change');
  });

  it('are of a filter what the database has newest of it, for everybody who looks through it', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const query = [`?user=${ADA}&user=${AMIR}`, `?user=${AMIR}&user=&user=${ADA}&user=${ADA}`];
    const streams = await Promise.all(query.map((query) => dashboard.subscribe(`/api/sse/activity${query}`)));
    await dashboard.acts('bela.costa', 'of somebody else');
    await dashboard.acts(ADA, ...Array.from({ length: 11 }, (_, n) => `${n}`));
    const newest = Array.from({ length: 10 }, (_, n) => `${10 - n}`);
    for (const stream of streams) {
      await until(() => String(actionsOf(stream.states().at(-1))) === String(newest), 'the newest ten');
    }
    const ids = streams.map(({ signals }) => signals().at(-1).id);
    assert.equal(ids[0], ids[1], 'one event for both');
  });

  it('come no more often than their interval, however fast the database changes', TEST, async (t) => {
    const interval = 150;
    const args = ['--stats-interval', `${interval}ms`, '--demo-interval', '5ms'];
    const dashboard = await Dashboard.start(t, { args });
    const stats = await dashboard.subscribe('/api/sse/stats');
    // By the ids, which say when the server took each; the state has none.
    const live = () => stats.signals().filter(({ id }) => id !== '');
    await until(() => live().length >= 6, 'the numbers to change');
    const times = live().map(({ id }) => Number(id.split('-')[0]));
    const pauses = times.slice(1).map((time, place) => time - times[place]);
    assert.ok(pauses.every((pause) => pause >= interval - 1), `${pauses}`);
  });

  it('refuse with a sentence what cannot be a list', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const nine = Array.from({ length: 9 }, (_, n) => `user=u${n}`).join('&');
    for (const [query, sentence] of [
      [nine, 'a list is of at most 8 users'],
      [`user=${'n'.repeat(65)}`, "a user's name has at most 64 characters"],
      ['user=a%0Ab', "a user's name holds no control characters"],
    ]) {
      for (const path of ['/', '/api/sse/activity']) {
        const { status, body } = await request(`${dashboard.url}${path}?${query}`);
        assert.deepEqual({ status, body }, { status: 400, body: sentence });
      }
    }
  });

  it('have a bound in how many filters there are, which those that left do not count against', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const url = (n) => `${dashboard.url}/api/sse/activity?user=u${n}`;
    const streams = [];
    for (let n = 0; n < MAX_FILTERS; n += 1) streams.push(await openStream(t, url(n)));
    assert.ok(streams.every(({ status }) => status === 200));
    const refused = await request(url('one-more'));
    assert.equal(refused.status, 503);
    assert.match(refused.body, /256 different lists/);
    assert.equal((await openStream(t, url(0))).status, 200, 'a filter that is there takes more');
    assert.equal((await openStream(t, `${dashboard.url}/api/sse/activity`)).status, 200);
    streams[7].close();
    await until(async () => (await openStream(t, url('one-more'))).status === 200, 'room for one more');
  });

  it('answer curl -I, and the script finds all well', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    for (const path of ['stats', 'activity']) {
      const { stdout } = await run('curl', ['-sSI', '--max-time', '20', `${dashboard.url}/api/sse/${path}`]);
      assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(stdout, /content-type: text\/event-stream/i);
    }
    const { stdout } = await run(SCRIPT, [dashboard.url]);
    assert.match(stdout, /all is well/);
    await dashboard.example.kill();
    await assert.rejects(run(SCRIPT, [dashboard.url]), ({ code }) => code === 1);
  });

  it('do not hold up the end of the server', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    await dashboard.subscribe('/api/sse/stats');
    await dashboard.subscribe('/api/sse/activity');
    assert.equal(await dashboard.example.end(), 0);
  });

  it('are shown by the test page, which reconnects by hand', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const page = await dashboard.open(browser, { path: '/static/test-sse.html' });
    const stats = page.locator('#stats');
    const state = (name) => page.locator(`#stats[data-state=${name}]`).waitFor();
    const says = (selector, text) => stats.locator(selector).filter({ hasText: text }).waitFor();
    await state('open');
    await says('.signals', '"projectCount": 1247');
    await page.locator('#log li').filter({ hasText: '/api/sse/activity datastar-patch-elements' }).waitFor();

    await stats.getByRole('button', { name: 'Disconnect' }).click();
    await state('closed');
    await dashboard.addProjects(2);
    await stats.getByRole('button', { name: 'Reconnect' }).click();
    await state('open');
    await says('.signals', '"projectCount": 1249');
    await says('.opened', '2');
    await page.getByRole('button', { name: 'Clear' }).click();
    await dashboard.addProjects(1);
    await page.locator('#log li').filter({ hasText: '"projectCount":1250' }).waitFor();
  });

  it('come back by themselves on the test page when the server was killed', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const page = await dashboard.open(browser, { path: '/static/test-sse.html', tolerates: /Failed to load|net::ERR/ });
    await page.locator('#stats[data-state=open]').waitFor();
    await dashboard.example.kill();
    await page.locator('#stats[data-state=connecting]').waitFor();
    await dashboard.addProjects(1);
    await dashboard.example.startAgain();
    await page.locator('#stats .signals').filter({ hasText: '1248' }).waitFor();
  });

  it('are reported well at /api/health', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    const { status, body } = await request(`${dashboard.url}/api/health`);
    assert.deepEqual([status, JSON.parse(body).status], [200, 'ok']);
  });
});

describe("the dashboard's start", SUITE, () => {
  it('refuses with a sentence a file that is no database, or one of a later version', TEST, async (t) => {
    const example = await Example.start(t, 'stats', () => ['--no-demo']);
    await example.kill();
    await writeAsAnother(t, example.directory, 'stats.sqlite', ['PRAGMA user_version = 2']);
    await assert.rejects(example.startAgain(), /stats\.sqlite has the schema 2, .* --data-dir/);
    for (const file of await readdir(example.directory)) await rm(join(example.directory, file));
    await writeFile(join(example.directory, 'stats.sqlite'), 'no database '.repeat(1000));
    await assert.rejects(example.startAgain(), /stats\.sqlite cannot be opened: .* --data-dir/);
  });

  it('refuses an interval of nothing', TEST, async (t) => {
    await assert.rejects(Example.start(t, 'stats', () => ['--stats-interval', '0s']), /between 1ms and 1day/);
    await assert.rejects(Example.start(t, 'stats', () => ['--activity-interval', '5']), /has a unit, for example 3s/);
  });

  it('finds what was there, with the numbers of a new one only where it was new', TEST, async (t) => {
    const dashboard = await Dashboard.start(t);
    await dashboard.addProjects(1);
    assert.equal(await dashboard.example.end(), 0);
    await dashboard.example.startAgain();
    const stats = await dashboard.subscribe('/api/sse/stats');
    assert.deepEqual(stats.states(), [{ ...FIRST, projectCount: FIRST.projectCount + 1 }]);
  });
});
