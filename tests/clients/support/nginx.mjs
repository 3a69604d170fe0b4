import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort, isOpen } from './ports.mjs';
import { hasExited, start } from './process.mjs';
import { documented } from './readme.mjs';
import { until } from './until.mjs';

const COMPOSE = new URL('../../../compose/nginx.conf', import.meta.url);

/** What somebody has who never heard of event streams: HTTP/1.0 to the server, and buffering. */
export const defaults = (upstream) => `location / { proxy_pass http://${upstream}; }`;

/** The block that the manual gives, for a server at `upstream`. */
export async function readmeBlock(upstream) {
  const block = await documented('docs/deployment.md', 'Behind nginx', 'nginx');
  assert.ok(block.includes('127.0.0.1:8000'), "the manual's nginx block names the upstream 127.0.0.1:8000");
  return block.replaceAll('127.0.0.1:8000', upstream);
}

/** The file that compose.yaml gives its nginx, for nodes on these ports and with an address of its own. */
async function composeFile(ports, listen) {
  const addresses = { 'listen 8000;': `listen ${listen};` };
  for (const [place, port] of ports.entries()) {
    addresses[`server node-${'ab'[place]}:8000 `] = `server 127.0.0.1:${port} `;
  }
  let file = await readFile(COMPOSE, 'utf8');
  for (const [theirs, ours] of Object.entries(addresses)) {
    assert.equal(file.split(theirs).length, 2, `compose/nginx.conf has "${theirs}" once`);
    file = file.replace(theirs, ours);
  }
  return file;
}

export class Nginx {
  /** Runs nginx with `locations` in its only server. */
  static start(t, locations) {
    return Nginx.#run(t, (listen) => `
events {}
http {
    server {
        listen ${listen};
${locations}
    }
}
`);
  }

  /** Runs nginx as compose.yaml does, before the nodes on these two ports. */
  static startOfCompose(t, ports) {
    return Nginx.#run(t, (listen) => composeFile(ports, listen));
  }

  /** Everything that nginx writes is in a folder of its own. */
  static async #run(t, configuration) {
    const folder = await mkdtemp(join(tmpdir(), 'sse-broadcaster-nginx-'));
    const nginx = new Nginx();
    nginx.folder = folder;
    nginx.port = await freePort();
    nginx.url = `http://127.0.0.1:${nginx.port}`;

    const config = join(folder, 'nginx.conf');
    const text = await configuration(`127.0.0.1:${nginx.port}`);
    await writeFile(config, text.replace(/^http \{$/m, (http) => http + files(folder)));
    const args = ['-p', folder, '-e', join(folder, 'error.log'), '-c', config, '-g', globals(folder)];
    const child = await start(t, 'nginx', args, {
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
      const [status, upstreamStatus, lastEventId] = line.split('|');
      return { status, upstreamStatus, lastEventId };
    });
  }
}

// One process, so that the one that the test knows is all there is to stop.
const globals = (folder) => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
`;

// Where several upstreams were asked, their statuses are separated by commas and blanks.
const files = (folder) => `
    log_format requests '$status|$upstream_status|$http_last_event_id';
    access_log ${folder}/access.log requests;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
`;
