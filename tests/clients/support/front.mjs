import { once } from 'node:events';
import http from 'node:http';

/**
 * An HTTP server in front of the server on `target`, as a load balancer is: it passes requests on, or
 * responds with a status of its own, or refuses connections. It also serves the page under test, and
 * collects what that page reports.
 */
export class Front {
  #target;
  #status;
  #server;
  /** Scripts that it serves in place of the server's, by their paths. */
  scripts = {};
  reports = [];
  /** The requests for streams: what became of them, and the id that each resumed after. */
  streams = [];
  loads = 0;
  /** Streams of which something came, so that they are live. */
  opened = 0;

  static async start(t, target, html = '') {
    const front = new Front();
    front.#target = target;
    front.html = html;
    await front.#listen(0);
    t.after(() => front.refuse());
    return front;
  }

  async #listen(port) {
    this.#server = http.createServer((request, response) => this.#respond(request, response)).listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  #respond(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    if (pathname === '/page') {
      this.loads += 1;
      return response.setHeader('content-type', 'text/html; charset=utf-8').end(this.html);
    }
    if (pathname === '/report') return this.#collect(request, response);
    if (pathname in this.scripts) {
      return response.setHeader('content-type', 'text/javascript; charset=utf-8').end(this.scripts[pathname]);
    }
    const after = request.headers['last-event-id'] ?? searchParams.get('last_event_id');
    this.streams.push({ status: this.#status ?? 200, after });
    if (this.#status) return response.writeHead(this.#status, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    this.#pass(request, response);
  }

  async #collect(request, response) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    this.reports.push(JSON.parse(text));
    response.end();
  }

  #pass(request, response) {
    const { method, url, headers } = request;
    const inner = http.request({ port: this.#target, agent: false, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers).flushHeaders();
      answer.once('data', () => { this.opened += 1; });
      answer.on('error', () => response.destroy()).pipe(response);
    });
    request.pipe(inner.on('error', () => response.destroy()));
    response.on('close', () => inner.destroy());
  }

  /** Cuts what is open, and responds to everything with `status`, until `pass`. */
  fail(status) {
    this.#status = status;
    this.#server.closeAllConnections();
  }

  pass() {
    this.#status = undefined;
  }

  /** Cuts what is open, and refuses new connections until `accept`. */
  async refuse() {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async accept() {
    await this.#listen(this.port);
  }
}
