import { Console } from './console.mjs';
import { inState } from './console-states.mjs';
import { newPage } from './browser.mjs';
import { ADMIN_KEY, operatorSide } from './operator.mjs';
import { Server } from './server.mjs';

/** The page in front of a server of its own; `errors` collects what the browser complains of, except of responses. */
export async function openConsole(t, browser, { width = 1280, args, address = '/', side = operatorSide() } = {}) {
  const server = await Server.start(t, { args });
  const front = await Console.start(t, server.port, side, ADMIN_KEY);
  const page = await newPage(t, browser, { viewport: { width, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  const errors = [];
  page.on('pageerror', (error) => errors.push(`${error}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !/Failed to load resource/.test(message.text())) errors.push(message.text());
  });
  await page.goto(`${front.url}${address}`);
  await inState(page, 'open');
  return { server, front, page, errors };
}

export const goTo = (page, name) => page.click(`nav a[href="#/${name}"]`);
export const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());
/** A radio button whose circle is hidden behind its label. */
export const choose = (page, name, value) => page.check(`input[name="${name}"][value="${value}"]`, { force: true });
