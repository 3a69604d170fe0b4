// Who the client is behind each proxy of the documents, with Debian's package and the block that stands there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { describe, it } from 'node:test';

import { TEST } from './support/limits.mjs';
import { behind, tcpProxy } from './support/proxies.mjs';
import { request } from './support/request.mjs';
import { Server } from './support/server.mjs';
import { until } from './support/until.mjs';

const KEY = 'correct-horse-battery';
const OPERATOR = 'the-key-of-an-operator';
/** The proxies connect from 127.0.0.1, which is the one that is trusted. */
const CLIENT = '127.0.0.2';
const SPOOFED = { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6' };

const args = ['--admin-key', OPERATOR, '--host', '*'];

/** Opens a stream from the address of the client, with what a client may write about itself. */
async function open(t, url) {
  const outgoing = http.request(`${url}/events`, { agent: false, localAddress: CLIENT, headers: SPOOFED });
  t.after(() => outgoing.destroy());
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  response.resume();
  assert.equal(response.statusCode, 200);
}

/** The addresses of the streams that operators see. */
async function addresses(url) {
  const headers = { authorization: `Bearer ${OPERATOR}` };
  const { body } = await request(`${url}/admin/connections`, { headers });
  return JSON.parse(body).connections.map(({ address }) => address);
}

describe('behind a proxy with its documented block', { concurrency: 3, timeout: 240_000 }, () => {
  for (const name of ['nginx', 'Caddy', 'Apache', 'HAProxy', 'Varnish', 'lighttpd']) {
    it(`${name} names the client, and not the address that the client wrote`, TEST, async (t) => {
      const server = await Server.start(t, { key: KEY, args: [...args, '--trusted-proxy', '127.0.0.1'] });
      const { url } = await behind(name)(t, server);
      await open(t, url);
      await until(async () => (await addresses(server.url)).length > 0, 'the stream to be listed');
      assert.deepEqual(await addresses(server.url), [CLIENT]);
    });
  }
});

describe('behind HAProxy with the PROXY protocol', { timeout: 120_000 }, () => {
  for (const version of ['send-proxy', 'send-proxy-v2']) {
    it(`${version} names the client, and health checks are served`, TEST, async (t) => {
      const proxied = ['--proxy-protocol', '--trusted-proxy', '127.0.0.1', '--admin-listen', '127.0.0.1:0'];
      const server = await Server.start(t, { key: KEY, args: [...args, ...proxied] });
      const [, operators] = server.log.match(/listening on [^ ]+ (http:\/\/[^ ,\n]+)/);
      const url = await tcpProxy(t, server.port, version);
      await open(t, url);
      await until(async () => (await addresses(operators)).length > 0, 'the stream to be listed');
      assert.deepEqual(await addresses(operators), [CLIENT]);
      // Each check is a request that the server refuses as HAProxy expects; after another response it would pass on none.
      const checks = async () => {
        const { body } = await request(`${operators}/metrics`);
        return Number(body.match(/refused_requests_total\{status="400",code="invalid_last"\} (\d+)/)?.[1] ?? 0);
      };
      await until(async () => (await checks()) >= 3, 'three checks');
      await open(t, url);
      assert.doesNotMatch(server.log, /closed a connection/);
    });
  }
});
