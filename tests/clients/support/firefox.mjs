import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { start, stop } from './process.mjs';

// It must show the page and ask nothing else of the network.
const SETTINGS = {
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.safebrowsing.update.enabled': false,
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.security.https_first': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.proxy.type': 0,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

/** Debian's Firefox, with a fresh profile and without a driver, with a tab for each of `urls`: the pages there report by themselves. */
export async function visitWithFirefox(t, ...urls) {
  return visitTrusting(t, {}, ...urls);
}

/** As `visitWithFirefox`; `certificates` has those that it trusts, in PEM, by host and port. */
export async function visitTrusting(t, certificates, ...urls) {
  const profile = await mkdtemp(join(tmpdir(), 'sse-broadcaster-firefox-'));
  const settings = Object.entries(SETTINGS).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  await writeFile(join(profile, 'user.js'), settings.join(''));
  const trusted = Object.entries(certificates).map(([host, pem]) => `${host}:\tOID.2.16.840.1.101.3.4.2.1\t${new X509Certificate(pem).fingerprint256}\t\n`);
  await writeFile(join(profile, 'cert_override.txt'), trusted.join(''));
  const firefox = await start(t, '/usr/bin/firefox-esr', ['--headless', '--no-remote', '--profile', profile, ...urls], {
    stdio: 'ignore',
    env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  t.after(async () => {
    await stop(firefox, 'SIGKILL');
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
}
