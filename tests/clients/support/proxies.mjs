// Real proxies, each with the block that the documents give, in front of a server.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Nginx, readmeBlock } from './nginx.mjs';
import { freePort, isOpen } from './ports.mjs';
import { hasExited, start } from './process.mjs';
import { Proxy } from './proxy.mjs';
import { documented } from './readme.mjs';
import { until } from './until.mjs';

const DOCUMENT = 'docs/proxies.md';
const MODULES = ['mpm_event', 'authz_core', 'alias', 'mime', 'proxy', 'proxy_http', 'proxy_wstunnel', 'asis'];

/** Exchanges each key of `replacements`, which the block must have. */
function adapted(block, replacements) {
  for (const [theirs, ours] of Object.entries(replacements)) {
    assert.ok(block.includes(theirs), `the documented block has "${theirs}"`);
    block = block.replaceAll(theirs, ours);
  }
  return block;
}

/** By name: what is written into a folder, and the command that serves on `listen` before `port`. */
const proxies = {
  Caddy: async ({ file, listen, port }) => {
    const block = adapted(await documented('docs/deployment.md', 'Behind Caddy', 'caddy'), {
      'events.example.com': `http://${listen}`,
      '127.0.0.1:8000': `127.0.0.1:${port}`,
    });
    const config = await file('Caddyfile', `{\n    admin off\n    auto_https off\n}\n${block}`);
    return ['caddy', 'run', '--adapter', 'caddyfile', '--config', config];
  },

  Apache: async ({ file, folder, listen, port }) => {
    const again = await file('again.asis', await documented(DOCUMENT, 'Apache httpd', 'http'));
    const block = adapted(await documented(DOCUMENT, 'Apache httpd', 'apache'), {
      '127.0.0.1:8000': `127.0.0.1:${port}`,
      '/etc/apache2/again.asis': again,
    });
    const modules = MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`);
    const config = await file('apache.conf', `
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/log
ServerName 127.0.0.1
TypesConfig /dev/null
Listen ${listen}
${modules.join('')}
${block}`);
    // One process, so that the one that the test knows is all there is to stop.
    return ['apache2', '-X', '-f', config];
  },

  HAProxy: async ({ file, listen, port }) => {
    const again = await file('again.http', await documented(DOCUMENT, 'HAProxy', 'http'));
    const block = adapted(await documented(DOCUMENT, 'HAProxy', 'haproxy'), {
      '127.0.0.1:8000': `127.0.0.1:${port}`,
      'bind :80': `bind ${listen}`,
      '/etc/haproxy/again.http': again,
    });
    return ['haproxy', '-db', '-f', await file('haproxy.cfg', `${block}\n`)];
  },

  Varnish: async ({ file, folder, listen, port }) => {
    const block = adapted(await documented(DOCUMENT, 'Varnish', 'vcl'), { '"8000"': `"${port}"` });
    const config = await file('varnish.vcl', block);
    return ['varnishd', '-F', '-j', 'none', '-n', folder, '-a', listen, '-f', config, '-s', 'malloc,16m'];
  },

  lighttpd: async ({ file, folder, listen, port }) => {
    const block = adapted(await documented(DOCUMENT, 'lighttpd', 'lighttpd'), { '8000': `${port}` });
    const [host, own] = listen.split(':');
    const config = await file('lighttpd.conf', `
server.document-root = "${folder}"
server.bind = "${host}"
server.port = ${own}
server.errorlog = "${folder}/log"
${block}
`);
    return ['lighttpd', '-D', '-f', config];
  },
};

/** HAProxy that passes on bytes, with a header of the PROXY protocol before them, and checks the server in the same way. */
const tcp = (version) => async ({ file, listen, port }) => ['haproxy', '-db', '-f', await file('haproxy.cfg', `
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
frontend web
    bind ${listen}
    default_backend streams
backend streams
    option httpchk GET /events?last=x
    http-check expect status 400
    server sse-broadcaster 127.0.0.1:${port} ${version} check inter 100ms fall 1
`)];

/** Runs a proxy of `proxies` until the end of the test, with all that it writes in a folder of its own. */
async function run(t, name, port, command = proxies[name]) {
  const folder = await mkdtemp(join(tmpdir(), `sse-broadcaster-${name}-`));
  const own = await freePort();
  const file = async (base, text) => {
    const path = join(folder, base);
    await writeFile(path, text);
    return path;
  };
  const [program, ...args] = await command({ file, folder, listen: `127.0.0.1:${own}`, port });
  const child = await start(t, program, args, {
    env: { ...process.env, HOME: folder, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  await until(async () => hasExited(child) || (await isOpen(own)), () => `${name} on port ${own}:\n${output}`);
  assert.ok(!hasExited(child), `${name} did not start:\n${output}`);
  return `http://127.0.0.1:${own}`;
}

/** A way to the server through this proxy; `back` is the connection behind it. */
export const behind = (name) => async (t, server) => {
  const back = await Proxy.start(t, server.port);
  if (name === 'nginx') return { back, url: (await Nginx.start(t, await readmeBlock(`127.0.0.1:${back.port}`))).url };
  return { back, url: await run(t, name, back.port) };
};

/** The URL of HAProxy before the server at this port, which it sends a header of the PROXY protocol. */
export const tcpProxy = (t, port, version) => run(t, `HAProxy-${version}`, port, tcp(version));
