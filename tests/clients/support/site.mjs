import { once } from 'node:events';
import { createServer } from 'node:http';

/** A web site of somebody else's, that serves each document given to it under a path of its own. */
export class Site {
  #documents = [];
  requests = [];

  static async start(t) {
    const site = new Site();
    const server = createServer((request, response) => {
      site.requests.push(request);
      const document = site.#documents[Number(request.url.slice(1))];
      response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' });
      response.end(document);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    site.port = server.address().port;
    return site;
  }

  /** The path at which `html` is now. */
  serve(html) {
    return `/${this.#documents.push(`<!doctype html><link rel=icon href="data:,">${html}`) - 1}`;
  }
}
