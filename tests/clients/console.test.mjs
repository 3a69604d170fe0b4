// What a developer does with the page at `/`, without any rights.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';

import { launch } from './support/browser.mjs';
import { choose, clipboard, goTo, openConsole } from './support/console-page.mjs';
import { inState, put } from './support/console-states.mjs';
import { SUITE, TEST } from './support/limits.mjs';
import { start } from './support/process.mjs';
import { request } from './support/request.mjs';
import { published } from './support/sse.mjs';
import { until } from './support/until.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const row = (page, text) => page.locator('#events li.event').filter({ hasText: text });
const found = (page) => page.locator('#history-events li.event').count();
const publishMany = (server, count) => request(`${server.url}/events?topic=many`, {
  method: 'POST', headers: { 'content-type': 'application/x-ndjson' },
  body: Array.from({ length: count }, (_, number) => `{"data":"event ${number}"}\n`).join(''),
});
const document = async (server, name) => JSON.parse((await request(`${server.url}/signals/${name}`)).body);

describe('the list of events', { ...SUITE, concurrency: 4 }, () => {
  it('filters by words, by topic, by event name and by what must not occur', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await server.publish({ topic: 'news', event: 'headline', data: 'rain in the north' });
    await server.publish({ topic: 'news', data: 'sun in the south' });
    await server.publish({ topic: 'chat', data: 'all the news about rain' });
    await row(page, 'all the news').waitFor();
    for (const [filter, expected] of [['rain', 2], ['rain topic:news', 1], ['event:headline', 1], ['the -rain', 1], ['"the south"', 1], ['RAIN', 2], ['nothing', 0], ['', 3]]) {
      await page.fill('#live-pane .filter', filter);
      await until(async () => await page.locator('#events li.event').count() === expected, `${expected} rows for ${filter}`);
    }
  });

  it('holds what comes while it is paused, and shows it when it goes on', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await server.publish({ data: 'before' });
    await row(page, 'before').waitFor();
    await page.click('#pause');
    await server.publish({ data: 'meanwhile' });
    await page.locator('#count:has-text("1 waiting")').waitFor();
    assert.equal(await row(page, 'meanwhile').count(), 0);
    await page.click('#pause');
    await row(page, 'meanwhile').waitFor();
  });

  it('holds the newest 10,000 events, of which only the visible ones are in the document', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await publishMany(server, 10_050);
    await page.locator('#count:has-text("10,050 received")').waitFor();
    await row(page, 'event 10049').waitFor();
    assert.ok(await page.locator('#events li').count() < 60);
    await page.locator('#dropped:has-text("keeps the newest 10,000")').waitFor();
    await page.locator('#events .row').first().focus();
    await page.keyboard.press('End');
    await row(page, /event 50$/).waitFor();
    assert.match(await page.evaluate(() => window.document.activeElement.textContent), /event 50$/);
  });

  it('stays where it was scrolled to while new events come', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await publishMany(server, 200);
    await page.locator('#count:has-text("200 received")').waitFor();
    await page.locator('#live-pane .rows').evaluate((rows) => { rows.scrollTop = 2000; });
    const top = () => page.evaluate(() => window.document.elementFromPoint(400, 400).closest('li').textContent);
    await page.locator('#live-pane .newest').waitFor();
    await until(async () => /event 1[45]\d/.test(await top()), 'the list to be scrolled');
    const before = await top();
    await publishMany(server, 50);
    await page.locator('#count:has-text("250 received")').waitFor();
    assert.equal(await top(), before);
    await page.click('#live-pane .newest');
    await row(page, 'event 49').first().waitFor();
  });

  for (const [kind, data, least] of [
    ['one long line', 'z'.repeat(1_000_000), 20_000],
    ['many lines', 'word\n'.repeat(200_000), 2000],
    ['JSON', JSON.stringify(Array.from({ length: 60_000 }, (_, number) => number)), 20_000],
  ]) {
    it(`shows of an event with ${kind} the first part at once, and more when asked`, TEST, async (t) => {
      const { server, page } = await openConsole(t, browser, { args: ['--max-event-bytes', '2MiB'] });
      await server.publish({ topic: 'long', data });
      await row(page, 'long').click();
      const shown = () => page.$eval('#details-data', (node) => [...node.querySelectorAll('.part')].map((part) => part.textContent).join(''));
      const first = await shown();
      assert.ok(first.length >= least && first.length <= 20_000, `${first.length} characters`);
      let whole = first;
      for (let clicks = 0; await page.locator('#details-data .more').count(); clicks += 1) {
        assert.ok(clicks < 12);
        await page.$eval('#details-data .more', (more) => more.click());
        const next = await shown();
        assert.ok(next.startsWith(whole) && next.length > whole.length);
        whole = next;
        if (whole.length > 200_000) return;
      }
      assert.equal(whole.replace(/\s/g, ''), data.replace(/\s/g, ''));
    });
  }

  it('is one stop of the Tab key, moves by arrows, opens an event by Enter and returns to it', TEST, async (t) => {
    const { server, page, errors } = await openConsole(t, browser);
    for (const data of ['first', '{"second":{"deep":12345678901234567890}}', 'third']) await server.publish({ data });
    await row(page, 'third').waitFor();
    await page.locator('#live-pane .filter').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.locator('#details[open]').waitFor();
    assert.equal(await page.innerText('#details-data'), '{\n  "second": {\n    "deep": 12345678901234567890\n  }\n}');
    await page.keyboard.press('Escape');
    await page.locator('#details').waitFor({ state: 'hidden' });
    assert.match(await page.evaluate(() => window.document.activeElement.textContent), /second/);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => window.document.activeElement.closest('#events')), null);
    assert.deepEqual(errors, []);
  });

  it('gives a line for curl that publishes the same event again', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    const { events } = await server.subscribe('?topic=*&format=json');
    const event = { topics: ['a b', 'it\'s'], event: 'said', data: 'quotes \' and " and\nlines' };
    await server.publish(event);
    await row(page, 'quotes').click();
    await page.click('#details-actions button:text("Copy as curl")');
    const line = await clipboard(page);
    const curl = await start(t, 'sh', ['-c', `exec ${line} --silent`], { env: { PATH: process.env.PATH, no_proxy: '*' } });
    await once(curl, 'exit');
    await until(() => published(events).length === 2, 'the second event');
    const [first, second] = published(events).map(({ data }) => JSON.parse(data));
    assert.deepEqual([second.topics, second.event, second.data], [first.topics, first.event, first.data]);
  });
});

describe('publishing', { ...SUITE, concurrency: 4 }, () => {
  it('takes the form over into JSON, sends what was edited there, and says what is wrong before it is sent', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    const { events } = await server.subscribe('?topic=*&format=json');
    await page.fill('#publish-topic', 'news, sport');
    await page.fill('#publish-event', 'headline');
    await choose(page, 'publish-mode', 'json');
    assert.deepEqual(JSON.parse(await page.inputValue('#publish-json')), { topics: ['news', 'sport'], event: 'headline', data: 'hello' });

    await page.fill('#publish-json', '[{"data":1},\n{"data":2]');
    assert.match(await page.innerText('#publish-json-note'), /line 2/);
    await page.click('#publish');
    await page.fill('#publish-json', '[{"topic":"a","data":{"n":12345678901234567890}},{"topic":"b","data":"two"}]');
    assert.match(await page.innerText('#publish-json-note'), /2 events/);
    await page.click('#publish');
    await page.locator('#publish-output:has-text("Published 2 events")').waitFor();
    await until(() => published(events).length === 2, 'both events');
    assert.equal(JSON.parse(published(events)[0].data).data, '{"n":12345678901234567890}');
  });

  it('puts an event of the list into the form, to be changed and sent again', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await server.publish({ topics: ['a', 'b c'], event: 'said', data: 'once' });
    await row(page, 'once').click();
    await page.click('#details-actions button:text("Put into the form")');
    assert.equal(await page.inputValue('#publish-topic'), 'a, "b c"');
    await page.fill('#publish-data', 'twice');
    await page.click('#publish');
    await row(page, 'twice').waitFor();
  });
});

describe('history', { ...SUITE, concurrency: 4 }, () => {
  it('is searched by topic, by the last events, since an id and since a time, and shows a gap', TEST, async (t) => {
    const { server, page, errors } = await openConsole(t, browser);
    const ids = [];
    for (const topic of ['a', 'b', 'a']) ids.push(await server.publish({ topic, data: `of ${topic}` }));
    await goTo(page, 'history');
    const search = async (topics, start, value, expected) => {
      await page.fill('#history-topics', topics);
      await choose(page, 'history-start', start);
      if (value) await page.fill(`#history-${start}`, value);
      await page.click('#history-form .primary');
      await page.locator('#history-output[data-kind=done]').waitFor();
      await until(async () => await found(page) === expected, `${expected} events of ${topics} by ${start}`);
    };
    await search('a', 'last', '10', 2);
    await search('*', 'last', '1', 1);
    await search('*', 'since', '1h', 3);
    await search('b', 'earliest', null, 1);
    await search('*', 'after', ids[0], 2);
    await search('*', 'after', '1-1', 3);
    assert.equal(await page.locator('#history-events li.gap').count(), 1);
    await page.click('#history-curl');
    assert.match(await clipboard(page), /^curl -H 'Accept: application\/json' 'http:.*topic=\*&last_event_id=1-1'$/);
    await choose(page, 'history-start', 'since');
    await page.fill('#history-since', 'never');
    await page.click('#history-form .primary');
    await page.locator('#history-output:has-text("invalid_since")').waitFor();
    assert.deepEqual(errors, []);
  });

  it('waits for a page as long as it comes, and says of one that was cut that it is incomplete', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await server.publish({ topic: 'news', data: 'a' });
    await page.route('**/events?*limit=500*', (route) => route.fulfill({ contentType: 'application/json', body: '{"events":[' }));
    await goTo(page, 'history');
    await page.click('#history-form .primary');
    await page.locator('#history-output:has-text("Incomplete response.")').waitFor();
    const read = page.evaluate(async () => {
      const piece = new TextEncoder().encode('"slow" ');
      const pieces = (count) => new ReadableStream({
        pull(controller) {
          count -= 1;
          return new Promise((resolve) => { setTimeout(resolve, 4000); }).then(() => (count < 0 ? controller.close() : controller.enqueue(piece)));
        },
      });
      const { request: read } = await import('./page/session.js');
      const own = window.fetch;
      window.fetch = async (_, { signal }) => {
        const body = pieces(3);
        const { readable, writable } = new TransformStream();
        body.pipeTo(writable, { signal }).catch(() => {});
        return new Response(readable);
      };
      const response = await read('slow');
      window.fetch = own;
      return response.text().catch(String);
    });
    assert.equal(await read, '"slow" '.repeat(3));
  });

  it('is read on where there is more than one page of it', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await publishMany(server, 700);
    await goTo(page, 'history');
    await choose(page, 'history-start', 'earliest');
    await page.click('#history-form .primary');
    await page.locator('#history-output:has-text("500 events so far")').waitFor();
    await page.click('#history-more');
    await page.locator('#history-output:has-text("700 events. That is all.")').waitFor();
    await page.fill('#history-pane .filter', '"event 69"');
    await page.locator('#history-pane .count:has-text("11 found")').waitFor();
  });
});

describe('topics', { ...SUITE, concurrency: 4 }, () => {
  it('are shown with their last event and who is present, one after the other', TEST, async (t) => {
    const { server, page, errors } = await openConsole(t, browser, { args: ['--presence', '*'] });
    for (const topic of ['first', 'second']) await server.publish({ topic, data: topic });
    await goTo(page, 'topics');
    for (const topic of ['first', 'second', 'first']) {
      await page.locator('#topics-table button', { hasText: topic }).click();
      await page.locator('#topic-users:not(:empty)').waitFor();
      await page.locator('#topic-last:not(:empty)').waitFor();
      assert.equal(await page.locator('#topic-name').innerText(), topic);
    }
    assert.deepEqual(errors, []);
  });

  it('are polled on after a call that failed', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    const calls = page.evaluate(async () => {
      const { Poller } = await import('./page/poller.js');
      let count = 0;
      await new Promise((resolve) => {
        const poller = new Poller(async () => {
          count += 1;
          if (count === 1) throw new Error('once');
          poller.stop();
          resolve();
        }, 0.01);
        poller.now().catch(() => {});
      });
      return count;
    });
    assert.equal(await calls, 2);
  });

  it('are listed by prefix, with who is present, and lead to their events', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser, { args: ['--presence', 'rooms/{id}'] });
    await server.publish({ topic: 'rooms/1', data: 'in the room' });
    await server.publish({ topic: 'news', data: 'elsewhere' });
    await server.subscribe('?topic=rooms/1');
    await goTo(page, 'topics');
    const names = () => page.locator('#topics-table td.name').allInnerTexts();
    await until(async () => (await names()).join() === 'news,rooms/1', 'both topics');
    await page.fill('#topics-prefix', 'roo');
    await until(async () => (await names()).join() === 'rooms/1', 'the topic of the prefix');
    await page.click('#topics-table td.name button');
    await page.locator('#topic-connections:text-is("1")').waitFor();
    await page.click('#topic-actions button:text("Read history")');
    await page.locator('#history-events li.event:has-text("in the room")').waitFor();
    assert.equal(await found(page), 1);
    await goTo(page, 'topics');
    await page.fill('#topics-prefix', 'news');
    await page.press('#topics-prefix', 'Enter');
    await page.locator('#topic-presence:has-text("--presence")').waitFor();
    await page.click('#topic-actions button:text("Listen")');
    await inState(page, 'open');
    await server.publish({ topic: 'news', data: 'live' });
    await row(page, 'live').waitFor();
  });
});

describe('a signal', { ...SUITE, concurrency: 4 }, () => {
  async function openSignal(t, name) {
    const opened = await openConsole(t, browser);
    await put(opened.server.url, name, { value: 1, kept: true });
    await goTo(opened.page, 'signals');
    await opened.page.click(`#signal-list button:has-text("${name}")`);
    await opened.page.locator('#signal-version:not(:empty)').waitFor();
    return opened;
  }

  it('is edited, and what would change is shown before it is sent', TEST, async (t) => {
    const { server, page, errors } = await openSignal(t, 'counter');
    await page.fill('#signal-document', '{"value":2,"kept":true');
    assert.ok(await page.isDisabled('#signal-review'), 'what is no JSON cannot be sent');
    await page.fill('#signal-document', '{"kept":true,"value":2}');
    await page.click('#signal-review');
    await page.locator('#review[open]').waitFor();
    assert.deepEqual(await page.locator('#review-diff del').allTextContents(), ['  "value": 1']);
    assert.deepEqual(await page.locator('#review-diff ins').allTextContents(), ['  "value": 2']);
    assert.deepEqual(await document(server, 'counter'), { value: 1, kept: true });
    await page.click('#review-send');
    await page.locator('#signal-output:has-text("Sent")').waitFor();
    assert.deepEqual(await document(server, 'counter'), { value: 2, kept: true });
    assert.deepEqual(errors, []);
  });

  it('is watched, and is not overwritten by what was shown before it changed', TEST, async (t) => {
    const { server, page } = await openSignal(t, 'votes');
    await page.fill('#signal-document', '{"kept":true,"value":5}');
    await page.click('#signal-review');
    await page.locator('#review[open]').waitFor();
    await put(server.url, 'votes', { value: 3, kept: true });
    await page.locator('#signal-changes li:has-text("/value")').waitFor({ state: 'attached' });
    await page.click('#review-send');
    await page.locator('#review-output:has-text("Another writer was faster")').waitFor();
    assert.deepEqual(await document(server, 'votes'), { value: 3, kept: true });
    await page.click('#review-close');
    await page.locator('#signal-moved').waitFor();
    await page.click('#signal-take');
    await until(async () => /"value": 3/.test(await page.inputValue('#signal-document')), 'the new document');
  });

  it('shows a change of a long line in parts, and refuses names that no address can have', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await put(server.url, 'long', 'x'.repeat(100_000));
    await goTo(page, 'signals');
    await page.click('#signal-list li:has-text("long") button');
    await page.locator('#signal-version:not(:empty)').waitFor();
    assert.equal(await page.$eval('#signal-document', ({ wrap }) => wrap), 'off');
    assert.ok(await page.$eval('#signal-list pre', ({ textContent }) => textContent.length) <= 2000);
    await page.fill('#signal-document', `"${'y'.repeat(100_000)}"`);
    await page.click('#signal-review');
    await page.locator('#review-diff .more').waitFor();
    assert.ok(await page.$eval('#review-diff', ({ textContent }) => textContent.length) <= 20_100);
    await page.click('#review-close');

    await page.click('#signals-new');
    for (const name of ['.', '..']) {
      await page.fill('#signal-new-name', name);
      await page.fill('#signal-document', '{}');
      await page.click('#signal-review');
      await page.locator(`#signal-output:has-text("The name “${name}” is not possible")`).waitFor();
    }
    const refused = await request(`${server.url}/signals?name=.`, { headers: { accept: 'application/json' } });
    assert.equal(JSON.parse(refused.body).code, 'invalid_signal');
  });

  it('is created, and deleted after a question', TEST, async (t) => {
    const { server, page } = await openConsole(t, browser);
    await goTo(page, 'signals');
    await page.click('#signals-new');
    await page.fill('#signal-new-name', 'new/one');
    await page.fill('#signal-document', '{"a":1}');
    await page.click('#signal-review');
    await page.click('#review-send');
    await page.locator('#signal-list li:has-text("new/one")').waitFor();
    assert.deepEqual(await document(server, 'new%2Fone'), { a: 1 });
    await page.click('#signal-delete');
    await page.click('#signal-delete-confirm');
    await until(async () => (await request(`${server.url}/signals/new%2Fone`)).status === 404, 'the signal to be gone');
    await page.locator('#signal-list li').waitFor({ state: 'detached' });
  });
});

describe('a phone', { ...SUITE, concurrency: 4 }, () => {
  // To a pixel: positions have fractions.
  const isWholeInSight = (page, selector) => until(
    () => page.locator(selector).evaluate((node) => node.getBoundingClientRect().top > -1 && node.getBoundingClientRect().bottom < innerHeight + 1),
    `the whole of ${selector} to be in sight`,
  );

  it('shows why a publish was rejected', TEST, async (t) => {
    const { page } = await openConsole(t, browser, { width: 390, args: ['--publish-key', 'publish-key-of-the-test'] });
    await page.fill('#publish-key', 'not-the-key-of-it');
    await page.click('#publish');
    await page.locator('#publish-output[data-kind=failed]').waitFor();
    await isWholeInSight(page, '#publish-output');
    await isWholeInSight(page, '#publish-key');
  });

  it('shows the topic and the signal that were chosen, and that nothing was found', TEST, async (t) => {
    const { server, page, errors } = await openConsole(t, browser, { width: 390 });
    for (let number = 0; number < 12; number += 1) await server.publish({ topic: `rooms/${number}`, data: 'x' });
    await goTo(page, 'topics');
    await page.click('#topics-table td.name button');
    await page.locator('#topic-last code').waitFor();
    await isWholeInSight(page, '#topic');
    for (const name of ['a', 'b', 'c', 'd']) await put(server.url, name, { one: 1, two: 2, three: 3, four: 4 });
    await goTo(page, 'signals');
    await page.locator('#signal-list li').nth(3).waitFor();
    await page.click('#signal-list button:has-text("a")');
    await isWholeInSight(page, '#signal');
    await goTo(page, 'history');
    await page.fill('#history-topics', 'none');
    await page.click('#history-form .primary');
    await page.locator('#history-empty:text-is("Nothing was found.")').waitFor();
    await isWholeInSight(page, '#history-empty');
    assert.deepEqual(errors, []);
  });
});

describe('a part of the page', { ...SUITE, concurrency: 4 }, () => {
  it('shows of two texts exactly what differs', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    const wrong = await page.evaluate(async () => {
      const { diffLines } = await import('./page/diff.js');
      const failures = [];
      for (let round = 0; round < 400; round += 1) {
        const before = Array.from({ length: Math.floor(Math.random() * 40) + 1 }, () => `line ${Math.floor(Math.random() * 12)}`);
        const after = before.flatMap((text) => (Math.random() < 0.85 ? [text] : [[], ['new'], [text, 'new']][Math.floor(Math.random() * 3)]));
        const shown = diffLines(before.join('\n'), after.join('\n'));
        let [left, right] = [0, 0];
        let good = true;
        for (const { kind, text } of shown) {
          const skipped = kind === 'skipped' ? Number.parseInt(text, 10) : 1;
          const same = kind === 'same' || kind === 'skipped';
          for (let line = 0; line < skipped; line += 1) {
            const expected = kind === 'skipped' ? before[left] : text;
            if ((same || kind === 'removed') && before[left++] !== expected) good = false;
            if ((same || kind === 'added') && (after[right++] ?? '') !== expected) good = false;
          }
        }
        if (!good || left !== before.length || right !== Math.max(1, after.length)) failures.push({ before, after, shown });
      }
      return failures;
    });
    assert.deepEqual(wrong.slice(0, 1), []);
  });

  it('reads a stream with a key, and reconnects after the last whole event', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    const resumed = [];
    await page.route('**/cut', (route) => {
      resumed.push(route.request().headers()['last-event-id']);
      const body = resumed.length > 1 ? 'data: c\nid: 1-3\n\n' : 'retry: 1\nid: 1-1\ndata: a\ndata: b\n\nevent: said\rid: 1-2\rdata: not whole';
      return route.fulfill({ contentType: 'text/event-stream', body });
    });
    const got = await page.evaluate(async () => {
      const { FetchSource } = await import('./page/fetch-source.js');
      const source = new FetchSource('cut', { Authorization: 'Bearer key' });
      const events = [];
      return new Promise((done) => {
        source.addEventListener('said', () => events.push('an event that was cut'));
        source.addEventListener('message', ({ data, lastEventId }) => {
          events.push([data, lastEventId]);
          if (data !== 'c') return;
          source.close();
          done(events);
        });
      });
    });
    assert.deepEqual(got, [['a\nb', '1-1'], ['c', '1-3']]);
    assert.deepEqual(resumed, [undefined, '1-1']);
  });

  it('formats JSON without changing it, and leaves other text alone', TEST, async (t) => {
    const { page } = await openConsole(t, browser);
    const formatted = (text) => page.evaluate(async (given) => (await import('./page/json.js')).pretty(given), text);
    const tricky = '{"a\\"b":[1.50,12345678901234567890,{}],"c":"{[,:]}","d":[],"e":{"f":null}}';
    const shown = await formatted(tricky);
    assert.equal(shown.replace(/\n */g, '').replaceAll('": ', '":'), tricky);
    assert.equal(shown.split('\n').length, 12);
    for (const text of ['{"open":', 'plain text', '"a string"', '12']) assert.equal(await formatted(text), text);
  });
});
