import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['../node_modules/', '../../clients/node_modules/'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript' };

/**
 * A proxy between clients and the server on its port `target`. It serves pages, too, and fails in the ways
 * in which proxies and networks do.
 */
export class Gate {
  #server;
  #status;
  #open = new Set();
  #losing = false;
  /** The ids that streams were to begin after. */
  streams = [];
  /** How many streams have begun. */
  opened = 0;
  /** How many publishes the server has responded to. */
  publishes = 0;
  loads = 0;

  static async start(t, files = {}) {
    const gate = new Gate();
    gate.files = files;
    gate.#server = http.createServer((request, response) => gate.#respond(request, response)).listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    gate.address = `127.0.0.1:${gate.#server.address().port}`;
    gate.url = `http://${gate.address}`;
    t.after(() => {
      gate.#server.close();
      gate.#server.closeAllConnections();
    });
    return gate;
  }

  async #respond(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    const file = await this.#file(pathname);
    if (file !== undefined) {
      if (pathname.endsWith('.html')) this.loads += 1;
      return response.setHeader('content-type', `${TYPES[extname(pathname)]}; charset=utf-8`).end(file);
    }
    const isStream = request.method === 'GET' && /text\/event-stream/.test(request.headers.accept);
    if (isStream) this.streams.push(request.headers['last-event-id'] ?? searchParams.get('last_event_id') ?? '');
    if (this.#status) return response.writeHead(this.#status, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    this.#pass(request, response, isStream);
  }

  async #file(path) {
    if (path in this.files) return this.files[path];
    if (!path.startsWith('/node_modules/')) return undefined;
    const found = PACKAGES.map((folder) => readFile(join(folder, path.slice('/node_modules/'.length)), 'utf8'));
    return Promise.any(found);
  }

  #pass(request, response, isStream) {
    const { method, url, headers } = request;
    const inner = http.request({ port: this.target, agent: false, method, path: url, headers }, (answer) => {
      answer.on('error', () => response.destroy());
      if (method === 'POST') this.publishes += 1;
      if (this.#losing && method === 'POST') {
        this.#losing = false;
        return response.destroy();
      }
      response.writeHead(answer.statusCode, answer.headers).flushHeaders();
      if (!isStream) return answer.pipe(response);
      this.#passStream(answer, response);
    });
    request.pipe(inner.on('error', () => response.destroy()));
    response.on('close', () => inner.destroy());
  }

  #passStream(answer, response) {
    const stream = { answer, response };
    this.#open.add(stream);
    response.on('close', () => this.#open.delete(stream));
    answer.once('data', () => { this.opened += 1; });
    answer.on('end', () => response.end());
    answer.on('data', (bytes) => {
      if (stream.silent) return;
      if (!stream.cut) return response.write(bytes);
      stream.silent = true;
      const { end, how } = stream.cut;
      response.write(bytes.subarray(0, end(bytes)), () => response[how]());
    });
  }

  /** Resets each stream in the middle of the next event. */
  cutInEvent() {
    this.#cut({ end: (bytes) => bytes.length / 2, how: 'destroy' });
  }

  /** Ends each response before the id of the next event, as if it were complete. */
  endBeforeId() {
    this.#cut({ end: (bytes) => bytes.lastIndexOf('\nid: ') + 1, how: 'end' });
  }

  #cut(cut) {
    for (const stream of this.#open) stream.cut = cut;
  }

  /** Delivers nothing more on the streams that are open, and keeps them open. */
  silence() {
    for (const stream of this.#open) stream.silent = true;
  }

  /** The next event is stored, and its publisher is not told. */
  loseResponse() {
    this.#losing = true;
  }

  /** Cuts the streams, and responds to everything with `status`, until `pass`. */
  fail(status) {
    this.#status = status;
    for (const { response } of this.#open) response.destroy();
  }

  pass() {
    this.#status = undefined;
  }
}
