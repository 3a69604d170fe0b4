import assert from 'node:assert/strict';

import { newPage } from '../../clients/support/browser.mjs';
import { subscribe } from '../../clients/support/sse.mjs';
import { until } from '../../clients/support/until.mjs';
import { Example } from './example.mjs';
import { writeAsAnother } from './sqlite.mjs';

/** What a new database holds. */
export const FIRST = { projectCount: 1247, userCount: 5892, connectionCount: 18453 };
/** Two of its users. */
export const [ADA, AMIR] = ['ada.abel', 'amir.baker'];

const QUICK = ['--stats-interval', '20ms', '--activity-interval', '20ms'];

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** The example `stats`, whose database only the test writes to. */
export class Dashboard {
  #t;
  #isOver = false;

  static async start(t, { args = [...QUICK, '--no-demo'] } = {}) {
    const dashboard = new Dashboard();
    dashboard.#t = t;
    // Before the server is ended, of which windows complain.
    t.after(() => {
      dashboard.#isOver = true;
    });
    dashboard.example = await Example.start(t, 'stats', () => args);
    dashboard.url = dashboard.example.url;
    t.after(() => assert.equal(dashboard.example.log, '', 'it complains of nothing'));
    return dashboard;
  }

  write(...statements) {
    return writeAsAnother(this.#t, this.example.directory, 'stats.sqlite', statements);
  }

  acts(user, ...actions) {
    return this.write(...actions.map(
      (action) => `INSERT INTO activity (user, action) VALUES (${quoted(user)}, ${quoted(action)})`,
    ));
  }

  addProjects(count) {
    return this.write(...Array(count).fill("INSERT INTO projects (name, owner) VALUES ('More', 1)"));
  }

  /** One stream over a plain connection; `states` has the signals of each event so far. */
  async subscribe(path) {
    const { events } = await subscribe(this.#t, `${this.url}${path}`);
    const signals = () => events.filter(({ event }) => event === 'datastar-patch-signals');
    return {
      events,
      signals,
      states: () => signals().map(({ data }) => JSON.parse(data.replace(/^signals /, ''))),
    };
  }

  /** A window of a browser of its own; what it complains of fails the test, but for `tolerates`. */
  async open(browser, { path = '/', tolerates = /^$/, ...options } = {}) {
    const page = await newPage(this.#t, browser, { locale: 'en-US', ...options });
    const errors = [];
    page.on('pageerror', (error) => errors.push(`${error}`));
    page.on('dialog', (dialog) => {
      errors.push(`a dialog: ${dialog.message()}`);
      return dialog.dismiss();
    });
    page.on('console', (message) => {
      const isBad = ['error', 'warning'].includes(message.type());
      if (isBad && !this.#isOver && !tolerates.test(message.text())) errors.push(message.text());
    });
    this.#t.after(() => assert.deepEqual(errors, []));
    await page.goto(`${this.url}${path}`);
    return page;
  }
}

/** The three numbers as the page writes them. */
export const numbers = (page) => page.locator('.number').allInnerTexts();
export const actions = (page) => page.locator('#activity .action').allInnerTexts();

/** Until all windows show the same. */
export async function show(pages, read, expected) {
  for (const page of pages) {
    let shown;
    const same = async () => {
      shown = await read(page);
      return JSON.stringify(shown) === JSON.stringify(expected);
    };
    await until(same, () => `${JSON.stringify(expected)}; shown is ${JSON.stringify(shown)}`);
  }
}

export const isLive = (page) => page.locator('#connection[data-state=live]').waitFor();
