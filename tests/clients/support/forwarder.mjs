import { once } from 'node:events';
import http from 'node:http';

import { freePort } from './ports.mjs';

/** An HTTP server in front of the server on another port: it responds itself, or forwards a request, or refuses connections. */
export class Forwarder {
  #target;
  #server;

  /** Listens until the test `t` ends. A subclass responds by its method `respond`. */
  async open(t, target) {
    this.#target = target;
    await this.#listen(await freePort());
    t.after(() => this.refuse());
  }

  async #listen(port) {
    this.#server = http.createServer((request, response) => this.respond(request, response)).listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** Has the server respond; `onResponse` is called with its response, before anything of the body is passed on. */
  forward(request, response, onResponse = () => {}) {
    const { method, url, headers } = request;
    const inner = http.request({ port: this.#target, agent: false, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers).flushHeaders();
      onResponse(answer);
      answer.on('error', () => response.destroy()).pipe(response);
    });
    request.pipe(inner.on('error', () => response.destroy()));
    response.on('close', () => inner.destroy());
  }

  cut() {
    this.#server.closeAllConnections();
  }

  /** Cuts what is open, and refuses new connections until `accept`. */
  async refuse() {
    if (!this.#server.listening) return;
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  async accept() {
    await this.#listen(this.port);
  }
}
