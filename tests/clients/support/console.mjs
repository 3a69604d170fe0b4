import { readFile } from 'node:fs/promises';

import { Forwarder } from './forwarder.mjs';

const FILES = new URL('../../../crates/server/src/http/routes/page/', import.meta.url);
const TYPES = { html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
  + "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * The page from its sources, in front of a real server, with an operator's side that the test decides: figures and
 * lists that a small server never has. A request that `admin` has no response for is passed on.
 */
export class Console extends Forwarder {
  /** The requests to `/admin/`: their address, and the key that was sent. */
  adminRequests = [];

  /**
   * @param {(request: { method: string, path: string, query: URLSearchParams, key: string|undefined }) => { status: number, body?: object }|undefined} admin
   * @param {string} [ownKey] the key that `admin` accepts
   */
  static async start(t, target, admin = () => undefined, ownKey) {
    const front = new Console();
    front.admin = admin;
    front.ownKey = ownKey;
    await front.open(t, target);
    return front;
  }

  respond(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    const name = /^\/(?:page\/)?(?!client\.js)([a-z-]+\.(?:css|js))$/.exec(pathname)?.[1] ?? (pathname === '/' ? 'index.html' : null);
    if (name) return this.#file(name, response);
    if (pathname.startsWith('/admin/')) {
      const key = request.headers.authorization?.replace(/^Bearer /, '');
      this.adminRequests.push({ url: request.url, key });
      const own = this.admin({ method: request.method, path: pathname.slice('/admin/'.length), query: searchParams, key });
      if (own) return send(response, own);
    }
    // A key that only this front accepts is none of the server's.
    if (this.ownKey && request.headers.authorization === `Bearer ${this.ownKey}`) delete request.headers.authorization;
    this.forward(request, response);
  }

  async #file(name, response) {
    const text = await readFile(new URL(name, FILES));
    response.writeHead(200, {
      'content-type': TYPES[name.split('.').at(-1)], 'content-security-policy': POLICY, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff',
    }).end(text);
  }
}

function send(response, { status, body }) {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body === undefined ? '' : JSON.stringify(body));
}
