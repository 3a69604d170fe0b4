import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import esbuild from 'esbuild';
import { compile } from 'svelte/compiler';

const CLIENTS = fileURLToPath(new URL('../../clients/node_modules/', import.meta.url));
const { compileScript, parse } = createRequire(CLIENTS)('@vue/compiler-sfc');

/** Compiles files of this kind, as the framework's plugin does for a bundler. */
const compiler = (kind, translate) => ({
  name: kind,
  setup: (build) => build.onLoad({ filter: new RegExp(`\\.${kind}$`) }, async ({ path }) => ({
    contents: translate(await readFile(path, 'utf8'), path), loader: 'js',
  })),
});

const vue = compiler('vue', (text) => compileScript(parse(text).descriptor, { id: 'app', inlineTemplate: true }).content);
const svelte = compiler('svelte', (text, filename) => compile(text, { filename }).js.code);

/** The application that begins with `entry` as one script, in the mode of development. */
export async function bundle(entry) {
  const { outputFiles: [script] } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    conditions: ['browser', 'svelte', 'development'],
    define: { 'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
    nodePaths: [fileURLToPath(new URL('../node_modules/', import.meta.url)), CLIENTS],
    plugins: [vue, svelte],
    logLevel: 'error',
  });
  return script.text;
}
