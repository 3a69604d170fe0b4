// The pages of docs/clients beside what is tested of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { Guide, guides } from './support/guide.mjs';

const read = (file) => readFileSync(new URL(file, import.meta.url), 'utf8');
const npm = Object.assign({}, ...['package.json', '../clients/package.json'].map((file) => JSON.parse(read(file)).devDependencies));
const htmx = (version) => npm[`htmx${version}`].split('@')[1];
const ofPython = (name) => read('../clients/requirements.txt').match(new RegExp(`^${name}==(.*)$`, 'm'))[1];
const ofRust = (name) => read('rust/Cargo.lock').match(new RegExp(`name = "${name}"\nversion = "(.*)"`))[1];
const ofMaven = (name) => read('java/pom.xml').match(new RegExp(`<artifactId>${name}</artifactId>\\s*<version>(.*)</version>`))[1];

const VERSIONS = {
  alpine: [`alpinejs ${npm.alpinejs}`],
  datastar: ['Datastar 1.0.2'],
  go: [`go-sse ${read('go/go.mod').match(/go-sse v(.*)/)[1]}`],
  htmx: [`htmx ${htmx(2)}`, `htmx-ext-sse ${npm['htmx-ext-sse']}`, `htmx ${htmx(4)}`, `htmx ${htmx(1)}`],
  java: [`OkHttp ${ofMaven('okhttp-sse')}`, `Kotlin ${ofMaven('kotlin-compiler-embeddable')}`],
  javascript: ['Chromium'],
  php: ['symfony/http-client 5.4'],
  python: [`httpx ${ofPython('httpx')}`, `httpx-sse ${ofPython('httpx-sse')}`],
  react: [`react and react-dom ${npm.react}`],
  ruby: ['Ruby 3.1'],
  rust: [`reqwest ${ofRust('reqwest')}`, `eventsource-stream ${ofRust('eventsource-stream')}`],
  svelte: [`svelte ${npm.svelte}`],
  swift: ['**These programs were not run**'],
  turbo: [`@hotwired/turbo ${npm['@hotwired/turbo']}`],
  vue: [`vue ${npm.vue}`, `@vueuse/core ${npm['@vueuse/core']}`],
};

/** What is tested although it has no name. */
const ELSEWHERE = [
  { guide: 'htmx', begins: '<div hx-sse:connect=' }, // tests/clients/htmx4.test.mjs
  { guide: 'vue', begins: "import { useEventSource } from '@vueuse/core'" }, // tests/clients/reopen-libraries.test.mjs
  { guide: 'turbo', begins: '<turbo-stream-source' }, // browsers.test.mjs
];

describe('the pages of docs/clients', () => {
  it('name the versions that are tested', () => {
    assert.deepEqual(guides().sort(), Object.keys(VERSIONS).sort());
    for (const [guide, versions] of Object.entries(VERSIONS)) {
      for (const version of versions) {
        assert.ok(new Guide(guide).text.includes(version), `docs/clients/${guide}.md names ${version}`);
      }
    }
  });

  it('have no code that no test runs', () => {
    for (const guide of guides().filter((name) => name !== 'swift')) {
      for (const { language, file, text } of new Guide(guide).blocks) {
        const elsewhere = ELSEWHERE.some((block) => block.guide === guide && text.startsWith(block.begins));
        const isDependency = language === 'xml' && withoutSpace(read('java/pom.xml')).includes(withoutSpace(text));
        assert.ok(file || elsewhere || isDependency || language === 'sh', `docs/clients/${guide}.md: ${text}`);
      }
    }
  });

  it('install and run what the tests do', () => {
    const known = /^(pip install|npm install|composer require|cargo add|go (mod init|get)|curl|printf) |^(python3|php|ruby|go run|cargo run --bin) (subscribe|publish)\b/;
    for (const guide of guides()) {
      for (const command of new Guide(guide).commands) assert.match(command, known, `docs/clients/${guide}.md`);
    }
  });
});

function withoutSpace(text) {
  return text.replace(/\s+/g, '');
}
