import { Forwarder } from './forwarder.mjs';

const textOf = (script) => (typeof script === 'function' ? script() : script);

/**
 * An HTTP server in front of the server on `target`, as a load balancer is: it passes requests on, or
 * responds with a status of its own, or refuses connections. It also serves the page under test, and
 * collects what that page reports.
 */
export class Front extends Forwarder {
  #status;
  /** Scripts that it serves in place of the server's, or functions that return them, by their paths. */
  scripts = {};
  /** Headers of the page and of these scripts. */
  headers = {};
  /** Headers of responses with a status of its own. */
  failHeaders = {};
  reports = [];
  /** The requests for streams: what became of them, and the id that each resumed after. */
  streams = [];
  loads = 0;
  /** Streams of which something came, so that they are live. */
  opened = 0;

  static async start(t, target, html = '') {
    const front = new Front();
    front.html = html;
    await front.open(t, target);
    return front;
  }

  respond(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    if (pathname === '/page') {
      this.loads += 1;
      return response.setHeaders(new Headers(this.headers)).setHeader('content-type', 'text/html; charset=utf-8').end(this.html);
    }
    if (pathname === '/report') return this.#collect(request, response);
    if (pathname in this.scripts) {
      return response.setHeaders(new Headers(this.headers)).setHeader('content-type', 'text/javascript; charset=utf-8').end(textOf(this.scripts[pathname]));
    }
    const after = request.headers['last-event-id'] ?? searchParams.get('last_event_id');
    this.streams.push({ status: this.#status ?? 200, after });
    if (this.#status) return response.writeHead(this.#status, { 'content-type': 'text/html', ...this.failHeaders }).end('<h1>Bad gateway</h1>');
    this.forward(request, response, (answer) => {
      answer.once('data', () => { this.opened += 1; });
    });
  }

  async #collect(request, response) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    this.reports.push(JSON.parse(text));
    response.end();
  }

  /** Cuts what is open, and responds to everything with `status`, until `pass`. */
  fail(status) {
    this.#status = status;
    this.cut();
  }

  pass() {
    this.#status = undefined;
  }
}
