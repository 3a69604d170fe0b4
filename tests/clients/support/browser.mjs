import { chromium } from 'playwright-core';

import { WAIT_MS } from './limits.mjs';

/** What Playwright disables, whose list the last one replaces, and the pages below the address bar: each window loads them. */
const DISABLED_FEATURES = [
  'AimEnabled',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'LensOverlay',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'ThirdPartyStoragePartitioning',
  'WebUIOmniboxAimPopup',
  'WebUIOmniboxPopup',
];

/**
 * A Chromium for the suite around it. Every name in `.test` is this machine, as it is for a page whose
 * owner has pointed its name here.
 */
export function launch(options = {}) {
  return chromium.launch({
    ...options,
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      `--disable-features=${DISABLED_FEATURES.join()}`,
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--no-proxy-server',
      '--host-resolver-rules=MAP *.test 127.0.0.1',
    ],
  });
}

/** A context, which shares no cookie, cache or connection with another. */
export async function newContext(t, browser, options) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  context.setDefaultTimeout(WAIT_MS);
  return context;
}

/** A page in a context of its own. */
export async function newPage(t, browser, options) {
  const context = await newContext(t, browser, options);
  return context.newPage();
}

/** An empty page of `origin` that the server there knows nothing of and puts no policy on. */
export async function emptyPage(t, browser, origin) {
  const page = await newPage(t, browser);
  const url = `${origin}/empty-page`;
  await page.route(url, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><link rel=icon href="data:,">' }));
  await page.goto(url);
  await page.unroute(url);
  return page;
}
