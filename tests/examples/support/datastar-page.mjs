import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const DATASTAR = fileURLToPath(new URL('../../../examples/node_modules/.datastar/datastar-1.0.2.js', import.meta.url));

/** In the page: it reports what its elements show, and is hidden and shown as the answer demands. */
function report() {
  const errors = [];
  addEventListener('error', ({ message }) => errors.push(message));
  let hidden = false;
  Object.defineProperty(document, 'hidden', { get: () => hidden });
  Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') });
  (async function loop() {
    const texts = Object.fromEntries([...document.querySelectorAll('[id]')].map(({ id, textContent }) => [id, textContent]));
    try {
      const response = await fetch('/report', { method: 'POST', body: JSON.stringify({ texts, errors, hidden }) });
      const demanded = await response.json();
      if (demanded.hidden !== hidden) {
        hidden = demanded.hidden;
        document.dispatchEvent(new Event('visibilitychange'));
      }
    } catch (error) {
      errors.push(error.message);
    }
    setTimeout(loop, 20);
  })();
}

/**
 * A page of Datastar that reports to its server, for browsers without a driver. That server passes
 * everything else on to `target`, and can cut the streams that it passes on.
 */
export class DatastarPage {
  #target;
  #passing = new Set();
  #hidden = false;
  #reported = {};
  /** The streams that were asked for: the id that each resumed after. */
  streams = [];

  static async start(t, target, body) {
    const page = new DatastarPage();
    page.#target = target;
    const script = await readFile(DATASTAR, 'utf8');
    page.html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
      <script>(${report})()</script><script type="module">${script}</script>${body}`;
    const server = http.createServer((request, response) => page.#respond(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    page.url = `http://127.0.0.1:${server.address().port}/page`;
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return page;
  }

  async #respond(request, response) {
    if (request.url === '/page') return response.setHeader('content-type', 'text/html').end(this.html);
    if (request.url === '/report') {
      let text = '';
      for await (const part of request.setEncoding('utf8')) text += part;
      this.#reported = JSON.parse(text);
      return response.end(JSON.stringify({ hidden: this.#hidden }));
    }
    this.streams.push(request.headers['last-event-id']);
    const { method, url, headers } = request;
    const inner = http.request({ port: this.#target, agent: false, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers).flushHeaders();
      answer.on('error', () => response.destroy()).pipe(response);
    });
    inner.on('error', () => response.destroy()).end();
    this.#passing.add(response);
    response.on('close', () => {
      this.#passing.delete(response);
      inner.destroy();
    });
  }

  cut() {
    for (const response of this.#passing) response.destroy();
  }

  get open() {
    return this.#passing.size;
  }

  hide() {
    this.#hidden = true;
  }

  show() {
    this.#hidden = false;
  }

  get isHidden() {
    return this.#reported.hidden;
  }

  get texts() {
    return this.#reported.texts ?? {};
  }

  get errors() {
    return this.#reported.errors ?? [];
  }
}
