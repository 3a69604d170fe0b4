import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './ports.mjs';
import { hasExited, start } from './process.mjs';
import { until } from './until.mjs';

const README = new URL('../../../README.md', import.meta.url);

/** What somebody has who never heard of event streams: HTTP/1.0 to the server, and buffering. */
export const defaults = (upstream) => `location / { proxy_pass http://${upstream}; }`;

/** The block that the README gives, for a server at `upstream`. */
export async function readmeBlock(upstream) {
  const readme = await readFile(README, 'utf8');
  const block = readme.split(/^### Behind nginx\s*$/m)[1]?.match(/^```nginx\n(.*?)^```$/ms)?.[1];
  assert.ok(block, 'README.md has an nginx block under "### Behind nginx"');
  assert.ok(block.includes('127.0.0.1:8000'), "the README's nginx block names the upstream 127.0.0.1:8000");
  return block.replaceAll('127.0.0.1:8000', upstream);
}

export class Nginx {
  /** Runs nginx with `locations` in its only server, everything that it writes in a folder of its own. */
  static async start(t, locations) {
    const folder = await mkdtemp(join(tmpdir(), 'sse-broadcaster-nginx-'));
    const nginx = new Nginx();
    nginx.folder = folder;
    nginx.port = await freePort();
    nginx.url = `http://127.0.0.1:${nginx.port}`;

    const config = join(folder, 'nginx.conf');
    await writeFile(config, configuration(folder, nginx.port, locations));
    const child = await start(t, 'nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', config], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
      stdio: 'ignore',
    });
    t.after(() => rm(folder, { recursive: true }));
    await until(async () => hasExited(child) || (await isOpen(nginx.port)), `nginx on port ${nginx.port}`);
    assert.ok(!hasExited(child), `nginx did not start:\n${await nginx.errors()}`);
    return nginx;
  }

  errors() {
    return readFile(join(this.folder, 'error.log'), 'utf8');
  }

  /** The requests that came to an end: the answer's status and the id that the client had brought. */
  async requests() {
    const lines = (await readFile(join(this.folder, 'access.log'), 'utf8')).split('\n').filter(Boolean);
    return lines.map((line) => {
      const [status, upstreamStatus, lastEventId] = line.split(' ');
      return { status, upstreamStatus, lastEventId };
    });
  }
}

// One process, so that the one that the test knows is all there is to stop.
const configuration = (folder, port, locations) => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
    log_format requests '$status $upstream_status $http_last_event_id';
    access_log ${folder}/access.log requests;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    server {
        listen 127.0.0.1:${port};
${locations}
    }
}
`;

async function isOpen(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
