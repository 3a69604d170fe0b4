// Builds the package into dist/, and the file that the server embeds. `--check` builds the latter into memory alone, and
// fails if it differs from the one in the repository.
import { execFileSync } from 'node:child_process';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

const EMBEDDED = fileURLToPath(new URL('../../crates/server/src/http/routes/client.js', import.meta.url));
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

const OPTIONS = {
  absWorkingDir: here('.'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  mangleProps: /^_/,
  logLevel: 'warning',
};

/** The file that the server serves as /client.js. */
async function embedded() {
  const { outputFiles } = await build({
    ...OPTIONS,
    entryPoints: ['src/server.ts'],
    minify: true,
    write: false,
  });
  const { code } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2022,
    // Without `conditionals` and `side_effects` it is longer, and shorter when it is gzipped.
    compress: {
      passes: 3, ecma: 2022, unsafe: true, unsafe_arrows: true, unsafe_comps: true, booleans_as_integers: true,
      pure_getters: true, keep_fargs: false, hoist_funs: true, conditionals: false, side_effects: false,
    },
  });
  return `${code}\n`;
}

if (process.argv.includes('--check')) {
  if (await embedded() !== await readFile(EMBEDDED, 'utf8')) {
    console.error('crates/server/src/http/routes/client.js is not what clients/js builds: npm run build');
    process.exit(1);
  }
} else {
  await rm(here('dist'), { recursive: true, force: true });
  await build({ ...OPTIONS, entryPoints: ['src/index.ts'], outdir: 'dist' });
  // The same module for all of a page, so that they share streams.
  const shared = { name: 'shared', setup: ({ onResolve }) => onResolve({ filter: /^\.\/index\.js$/ }, ({ path }) => ({ path, external: true })) };
  await build({
    ...OPTIONS, entryPoints: ['src/react.ts', 'src/vue.ts', 'src/svelte.ts'], outdir: 'dist', packages: 'external', plugins: [shared],
  });
  execFileSync(here('node_modules/.bin/tsc'), ['--project', here('tsconfig.json')], { stdio: 'inherit' });
  const text = await embedded();
  // Written anew it would have Cargo build the server again.
  if (text !== await readFile(EMBEDDED, 'utf8')) await writeFile(EMBEDDED, text);
  await writeFile(here('dist/client.js'), text);
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) await copyFile(here(`../../${licence}`), here(licence));
}
