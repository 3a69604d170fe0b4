// Takes a picture of the page in every state, wide and narrow, light and dark: `node pictures.mjs FOLDER [STATE…]`. With
// `--sheets` the four of each state are one picture of reduced size, as in `docs/console/states`.
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { launch } from './support/browser.mjs';
import { openState, STATES } from './support/console-states.mjs';

const { values: { sheets }, positionals: [folder, ...chosen] } = parseArgs({ allowPositionals: true, options: { sheets: { type: 'boolean' } } });
const SIZES = [{ width: 1280, height: 800 }, { width: 390, height: 844 }];
const SCHEMES = ['light', 'dark'];
/** Of the pictures in a sheet. */
const SCALE = 2 / 3;
const GAP = 8;

await mkdir(folder, { recursive: true });
const browser = await launch();
for (const name of chosen.length > 0 ? chosen : Object.keys(STATES)) {
  const pictures = [];
  for (const size of SIZES) pictures.push(...await take(name, size));
  if (sheets) await writeFile(`${folder}/${name}.png`, await sheet(pictures));
  else for (const { size, scheme, png } of pictures) await writeFile(`${folder}/${name}-${size.width}-${scheme}.png`, png);
}
await browser.close();

async function take(name, size) {
  const cleanups = [];
  const t = { after: (cleanup) => cleanups.unshift(cleanup) };
  const context = await browser.newContext({ viewport: size, reducedMotion: 'reduce' });
  const { page } = await openState(t, name, () => context.newPage());
  const pictures = [];
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    pictures.push({ size, scheme: colorScheme, png: await page.screenshot() });
  }
  await context.close();
  for (const cleanup of cleanups) await cleanup();
  return pictures;
}

/** A row for each scheme. */
async function sheet(pictures) {
  const rows = SCHEMES.map((wanted) => pictures.filter(({ scheme }) => scheme === wanted).map(({ size, png }) =>
    `<img width="${Math.round(size.width * SCALE)}" src="data:image/png;base64,${png.toString('base64')}">`).join(''));
  const context = await browser.newContext({ viewport: { width: 1400, height: 1400 } });
  const page = await context.newPage();
  await page.setContent(`<!doctype html><style>
    body { display: grid; width: max-content; margin: 0; gap: ${GAP}px; padding: ${GAP}px; background: #8b8e93; }
    div { display: flex; align-items: flex-start; gap: ${GAP}px; }
  </style>${rows.map((row) => `<div>${row}</div>`).join('')}`);
  const png = await page.locator('body').screenshot();
  await context.close();
  return png;
}
