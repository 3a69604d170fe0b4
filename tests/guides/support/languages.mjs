// The languages of the pages: how their programs are built, and what a dead connection is in a test.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { save } from './guide.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const WORK = here('../.work/');
const PYTHON = here('../../clients/.venv/bin/python');
const SYMFONY = '/usr/share/php/Symfony/Component/HttpClient/autoload.php';

// Put there by `run prepare`.
const jars = (name) => readdirSync(join(WORK, name)).filter((file) => file.endsWith('.jar')).map((file) => join(WORK, name, file)).join(delimiter);
const withoutJars = (name) => (existsSync(join(WORK, name, '.complete')) ? undefined : `tests/guides/.work/${name} is missing: tests/guides/run prepare`);
const java = (name) => ['java', '-cp', `.${delimiter}${jars('okhttp')}`, name];

const run = (folder) => async (program, ...args) => {
  try {
    await promisify(execFile)(program, args, { cwd: folder, maxBuffer: 2 ** 24 });
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')}: ${error.message}\n${error.stdout}${error.stderr}`);
  }
};

const exists = (program) => process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, program)));
const missing = (...programs) => programs.filter((program) => !exists(program)).map((program) => `${program} is missing`)[0];

/** Older ones do not fetch the version that a module needs. */
function withoutGo() {
  if (!exists('go')) return 'go is missing';
  const version = execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', cwd: '/' }).trim();
  return Number(version.split('.')[1]) >= 21 ? undefined : `go 1.21 or newer is needed, this is ${version}`;
}

/**
 * `missing()` says what the machine lacks, `build` resolves with the commands, `silence` are shorter times
 * for the page's own, after which its subscriber finds that a connection is dead.
 */
export const LANGUAGES = {
  python: {
    guide: 'python',
    missing: () => (existsSync(PYTHON) ? undefined : 'tests/clients/.venv is missing'),
    silence: { 'read=15': 'read=3' },
    async build(folder, files) {
      await save(folder, files);
      return { subscribe: [PYTHON, 'subscribe.py'], publish: [PYTHON, 'publish.py'] };
    },
  },
  go: {
    guide: 'go',
    missing: withoutGo,
    silence: { 'heartbeat=15s': 'heartbeat=1s', '40 * time.Second': '3 * time.Second' },
    async build(folder, files) {
      await save(folder, files);
      for (const file of ['go.mod', 'go.sum']) await cp(here(`../go/${file}`), join(folder, file));
      for (const program of ['subscribe', 'publish']) {
        await run(folder)('go', 'vet', `${program}.go`);
        await run(folder)('go', 'build', '-o', program, `${program}.go`);
      }
      return { subscribe: ['./subscribe'], publish: ['./publish'] };
    },
  },
  java: {
    guide: 'java',
    missing: () => missing('javac') ?? withoutJars('okhttp'),
    silence: { 'Duration.ofSeconds(15)': 'Duration.ofSeconds(3)' },
    async build(folder, { 'Subscribe.java': subscribe, 'Publish.java': publish }) {
      await save(folder, { 'Subscribe.java': subscribe, 'Publish.java': publish });
      await run(folder)('javac', '-Xlint:all', '-Werror', '-cp', jars('okhttp'), '-d', '.', 'Subscribe.java', 'Publish.java');
      return { subscribe: java('Subscribe'), publish: java('Publish') };
    },
  },
  kotlin: {
    guide: 'java',
    missing: () => missing('javac') ?? withoutJars('okhttp') ?? withoutJars('kotlin'),
    silence: { 'Duration.ofSeconds(15)': 'Duration.ofSeconds(3)' },
    async build(folder, { 'Subscribe.kt': subscribe, 'Publish.java': publish }) {
      await save(folder, { 'Subscribe.kt': subscribe, 'Publish.java': publish });
      const compiler = 'org.jetbrains.kotlin.cli.jvm.K2JVMCompiler';
      await run(folder)('java', '-cp', [jars('kotlin'), jars('okhttp')].join(delimiter), compiler, '-no-stdlib', '-no-reflect', '-Werror',
        '-cp', jars('okhttp'), '-d', '.', 'Subscribe.kt');
      await run(folder)('javac', '-cp', jars('okhttp'), '-d', '.', 'Publish.java');
      return { subscribe: java('SubscribeKt'), publish: java('Publish') };
    },
  },
  php: {
    guide: 'php',
    missing: () => missing('php') ?? (existsSync(SYMFONY) ? undefined : `${SYMFONY} is missing`),
    silence: { 'stream($stream, 15)': 'stream($stream, 2)' },
    async build(folder, files) {
      await save(folder, files);
      // Debian's package of the library, in place of Composer's.
      await save(join(folder, 'vendor'), { 'autoload.php': `<?php require '${SYMFONY}';\n` });
      return { subscribe: ['php', 'subscribe.php'], publish: ['php', 'publish.php'] };
    },
  },
  ruby: {
    guide: 'ruby',
    missing: () => missing('ruby'),
    silence: { 'read_timeout = 15': 'read_timeout = 3' },
    async build(folder, files) {
      await save(folder, files);
      return { subscribe: ['ruby', '-w', 'subscribe.rb'], publish: ['ruby', '-w', 'publish.rb'] };
    },
  },
  rust: {
    guide: 'rust',
    missing: () => missing('cargo'),
    silence: { '15 * SECOND': '3 * SECOND' },
    async build(folder, files) {
      await save(join(folder, 'src', 'bin'), files);
      for (const file of ['Cargo.toml', 'Cargo.lock']) await cp(here(`../rust/${file}`), join(folder, file));
      const target = process.env.CARGO_TARGET_DIR ?? join(folder, 'target');
      await run(folder)('cargo', 'build', '--quiet', '--locked', '--target-dir', target);
      const program = (name) => [join(target, 'debug', name)];
      return { subscribe: program('subscribe'), publish: program('publish') };
    },
  },
};
