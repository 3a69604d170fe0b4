// Run by npm: puts Datastar 1.0.2, which is in no package of npm, where the examples look for it. The
// crate `http-nu` carries it, under the MIT licence; cargo downloads and unpacks that crate alone.
// Where this does not succeed nothing is lost: the pages are sent to a CDN for the same bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CRATE = 'http-nu-0.17.2';
const FILE = 'src/stdlib/datastar/datastar@1.0.2.js';
const SHA384 = 'Lp+KcjQ2Y+DzUQET79MK8Eb1Gk6KvirDL29KeupBQgQybkYkNVmbg8T6kpjVhtb/';
const TARGET = fileURLToPath(new URL('node_modules/.datastar/', import.meta.url));

function unpacked() {
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry', 'src');
  for (const registry of readdirSync(sources)) {
    try {
      return readFileSync(join(sources, registry, CRATE, FILE));
    } catch {
      // Not from this registry.
    }
  }
  throw new Error(`cargo has not unpacked ${CRATE} below ${sources}`);
}

function find() {
  try {
    return unpacked();
  } catch {
    execFileSync('cargo', ['info', '--quiet', CRATE.replace(/-(?=[^-]*$)/, '@')], { stdio: 'ignore' });
    return unpacked();
  }
}

try {
  const script = find();
  const hash = createHash('sha384').update(script).digest('base64');
  if (hash !== SHA384) throw new Error(`${FILE} of ${CRATE} is not the file that was expected`);
  mkdirSync(TARGET, { recursive: true });
  writeFileSync(join(TARGET, 'datastar-1.0.2.js'), script);
} catch (error) {
  console.warn(`Datastar is not put beside the examples, whose pages will load it from a CDN: ${error.message}`);
}
