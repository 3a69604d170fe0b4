import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { freePort } from './ports.mjs';

/** A TCP proxy in front of a port of 127.0.0.1 that can fail in the ways in which networks do. */
export class Proxy {
  #target;
  #listener;
  #pairs = new Set();

  static async start(t, target) {
    const proxy = new Proxy();
    proxy.#target = target;
    await proxy.#listen(await freePort());
    t.after(() => proxy.refuse());
    return proxy;
  }

  async #listen(port) {
    this.#listener = createServer((client) => this.#accept(client)).listen(port, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.port = this.#listener.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  #accept(client) {
    const server = connect(this.#target, '127.0.0.1');
    const pair = { client, server, swallow: false, left: Infinity };
    this.#pairs.add(pair);
    client.setNoDelay();
    server.setNoDelay();

    client.on('data', (bytes) => server.write(bytes));
    client.on('end', () => this.#drop(pair, 'destroy'));
    client.on('error', () => this.#drop(pair, 'destroy'));

    server.on('data', (bytes) => {
      if (pair.swallow) return;
      client.write(bytes.subarray(0, pair.left));
      pair.left -= bytes.length;
      if (pair.left <= 0) this.#drop(pair, 'destroySoon');
    });
    server.on('end', () => this.#drop(pair, 'destroySoon'));
    server.on('error', () => this.#drop(pair, 'resetAndDestroy'));
  }

  /** Forgets a pair with its end: node must not be told to reset a socket that is being ended. */
  #drop(pair, how) {
    if (!this.#pairs.delete(pair)) return;
    pair.client[how]();
    pair.server.destroy();
  }

  /** Ends every connection in the ordinary way. */
  end() {
    for (const pair of this.#pairs) this.#drop(pair, 'destroySoon');
  }

  /** Ends every connection by a reset. */
  reset() {
    for (const pair of this.#pairs) this.#drop(pair, 'resetAndDestroy');
  }

  /** Ends every connection once `bytes` more have come down it, wherever in an event that falls. */
  endAfter(bytes) {
    for (const pair of this.#pairs) pair.left = bytes;
  }

  /** Takes what comes down the connections there are, and delivers none of it. */
  swallow() {
    for (const pair of this.#pairs) pair.swallow = true;
  }

  /** Takes nothing more from the server, so that it cannot write on, until `release`. */
  hold() {
    for (const { server } of this.#pairs) server.pause();
  }

  release() {
    for (const { server } of this.#pairs) server.resume();
  }

  /** Cuts all, and refuses new connections until `accept`. */
  async refuse() {
    this.reset();
    if (!this.#listener.listening) return;
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  async accept() {
    await this.#listen(this.port);
  }
}
