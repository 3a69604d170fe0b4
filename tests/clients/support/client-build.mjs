// The browser client's sources, built for a test.
import { fileURLToPath } from 'node:url';

export const CLIENT = fileURLToPath(new URL('../../../clients/js/', import.meta.url));
export const EMBEDDED = fileURLToPath(new URL('../../../crates/server/src/http/routes/client.js', import.meta.url));

const MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url));
const { build } = await import(`${CLIENT}node_modules/esbuild/lib/main.js`);
const ENTRIES = { 'sse-broadcaster-client': 'index.ts', ...Object.fromEntries(['react', 'vue', 'svelte'].map((name) => [`sse-broadcaster-client/${name}`, `${name}.ts`])) };

/** The text of a module that may import the package by its name, and npm's packages of these tests. */
export async function bundle(text, plugins = [], loader = 'js') {
  const { outputFiles } = await build({
    stdin: { contents: text, resolveDir: fileURLToPath(new URL('..', import.meta.url)), loader },
    jsx: 'automatic',
    alias: {
      ...Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, `${CLIENT}src/${file}`])),
      // One copy, for the adapter and the page.
      ...Object.fromEntries(['react', 'vue'].map((name) => [name, `${MODULES}${name}`])),
    },
    define: { 'process.env.NODE_ENV': '"production"' },
    conditions: ['browser'],
    bundle: true,
    format: 'esm',
    write: false,
    plugins,
  });
  return outputFiles[0].text;
}

/** A module of the sources itself. */
export async function load(file) {
  const text = await bundle(`export * from '${CLIENT}src/${file}';`);
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}

/** Lets `Component.svelte` be imported, which is this text. */
export const svelte = (text) => ({
  name: 'svelte',
  setup(build) {
    build.onResolve({ filter: /\.svelte$/ }, ({ path, resolveDir }) => ({ path, namespace: 'svelte', pluginData: resolveDir }));
    build.onLoad({ filter: /.*/, namespace: 'svelte' }, async ({ pluginData }) => {
      const { compile } = await import('svelte/compiler');
      const { js } = compile(text, { generate: 'client', filename: 'Component.svelte' });
      return { contents: js.code, resolveDir: pluginData };
    });
  },
});
