import { readFile } from 'node:fs/promises';

import { visitWithFirefox } from './firefox.mjs';
import { Forwarder } from './forwarder.mjs';
import { until } from './until.mjs';

const DRIVER = new URL('pages/driver.js', import.meta.url);
/** Firefox starts slowly on a busy machine. */
const START_MS = 60_000;

/**
 * The server's own page, with its own policy, in a browser that has no driver: this front adds a script to it, which
 * takes one step after the other.
 */
export class DrivenPage extends Forwarder {
  /** What went wrong in the page: errors, what its policy refused, what it logged as a warning or an error. */
  errors = [];
  /** The page waits in it for its next step. */
  #idle;
  #hasTaken = () => {};

  static async openInFirefox(t, server) {
    const page = new DrivenPage();
    page.server = server;
    await page.open(t, server.port);
    await visitWithFirefox(t, `${page.url}/`);
    await until(() => page.#idle, 'the page to be loaded', START_MS);
    return page;
  }

  respond(request, response) {
    const { pathname } = new URL(request.url, this.url);
    if (pathname === '/') return this.#respondWithPage(response);
    if (pathname === '/driver.js') return this.#respondWithDriver(response);
    if (pathname === '/driver') return this.#hear(request, response);
    this.forward(request, response);
  }

  async #respondWithPage(response) {
    const page = await fetch(`${this.server.url}/`);
    const html = (await page.text()).replace('<head>', '<head><script src="driver.js"></script>');
    const headers = new Headers(page.headers);
    for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name);
    response.setHeaders(headers).end(html);
  }

  async #respondWithDriver(response) {
    response.setHeader('content-type', 'text/javascript; charset=utf-8').end(await readFile(DRIVER));
  }

  async #hear(request, response) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const { errors, ...outcome } = JSON.parse(text);
    this.errors.push(...errors);
    this.#idle = response;
    response.on('close', () => {
      if (this.#idle === response) this.#idle = undefined;
    });
    this.#hasTaken(outcome);
  }

  async #take(...step) {
    await until(() => this.#idle, 'the page to wait for a step');
    const response = this.#idle;
    this.#idle = undefined;
    const taken = new Promise((resolve) => { this.#hasTaken = resolve; });
    response.end(JSON.stringify(step));
    const { value, error, isNew } = await taken;
    // The page was left meanwhile for the one that has reported now, by a click for example.
    if (isNew && step[0] !== 'click') return this.#take(...step);
    if (error) throw new Error(`${step.join(' ')}: ${error}`);
    return value;
  }

  /** Clicks the first that has this text. */
  click = (selector, text = '') => this.#take('click', selector, text);
  fill = (selector, text) => this.#take('fill', selector, text);
  press = (selector, key) => this.#take('press', selector, key);
  value = (selector) => this.#take('value', selector);
  texts = (selector) => this.#take('texts', selector);
  overflow = () => this.#take('overflow');

  /** Waits until so many elements can be seen that have this text. */
  async shows(selector, text = '', count = undefined) {
    let seen;
    const hasCount = (found) => (count === undefined ? found > 0 : found === count);
    await until(
      async () => hasCount((seen = await this.texts(selector)).filter((shown) => shown.includes(text)).length),
      () => `${count ?? 'some'} of ${selector} with the text "${text}"; there are ${JSON.stringify(seen)}`,
    );
  }
}
