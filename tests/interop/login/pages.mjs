// SPDX-License-Identifier: AGPL-3.0-or-later
// Every page in a browser, at the width of a phone and of a desk, light and dark, in English and French: axe-core
// looks for what somebody could not read or reach, and nothing may be cut off at the side. Pictures are kept in SHOTS.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { ISSUER, ADDRESS, PERSON, PASSWORD, SHOTS, WELCOME, AUTHORIZE, KEYS, CERTIFICATE } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LOOKS = [
  { name: 'phone', viewport: { width: 390, height: 844 }, colorScheme: 'light', locale: 'fr-FR' },
  { name: 'narrow', viewport: { width: 320, height: 640 }, colorScheme: 'dark', locale: 'en-GB' },
  { name: 'desk', viewport: { width: 1280, height: 900 }, colorScheme: 'light', locale: 'en-GB' },
  { name: 'desk-dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark', locale: 'fr-FR' },
];
const STRANGERS = ['/sign-in', '/nowhere', '/welcome/x', WELCOME, '/authorize?client_id=nobody'];
const OWN = ['/account', '/account/app-passwords/new', '/account/password', '/account/passkeys', '/account/authenticator',
  '/account/recovery', '/account/contact', '/account/mail', '/account/why', '/account/key', '/account/key/find',
  '/device', '/logout', AUTHORIZE];
const ADMIN = ['/admin', '/admin/people', '/admin/groups', '/admin/aliases', '/admin/apps', '/admin/rules', '/admin/domains',
  '/admin/queue', '/admin/reports', '/admin/log'];

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', `--host-resolver-rules=${[ISSUER, KEYS].map((url) => `MAP ${new URL(url).hostname} ${ADDRESS}`).join(',')}`],
});
const findings = [];
const seen = new Set();

async function look(page, { name, locale }, label) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${label}-${name}.png`), fullPage: true });
  const where = `${label} (${name})`;
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  for (const { id, nodes } of violations) findings.push(`${where}: ${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  const [wide, width, lang] = await page.evaluate(() => [document.scrollingElement.scrollWidth, document.documentElement.clientWidth, document.documentElement.lang]);
  if (wide > width) findings.push(`${where}: ${wide - width} pixels are cut off`);
  if (!locale.startsWith(lang)) findings.push(`${where}: it is in ${lang}`);
  seen.add(label);
}

const label = (path) => path.split('?')[0].replace(/^\//, '').replaceAll('/', '-').slice(0, 40);

for (const kind of LOOKS) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, ...kind });
  const page = await context.newPage();
  const visit = async (path, as = label(path)) => {
    await page.goto(`${ISSUER}${path}`);
    await look(page, kind, as);
  };
  for (const path of STRANGERS) await visit(path, path === WELCOME ? 'welcome' : path.startsWith('/authorize') ? 'error' : label(path));
  await page.goto(`${ISSUER}/sign-in`);
  await page.locator('#username').fill(PERSON);
  await page.locator('#password').fill(PASSWORD);
  await page.locator('form[action="/sign-in"] button').click();
  await page.waitForURL('**/account');
  for (const path of OWN) await visit(path, path === AUTHORIZE ? 'consent' : label(path));
  for (const path of ADMIN) await visit(path);
  await page.goto(`${ISSUER}/admin/people`);
  await page.locator('ul.rows a').first().click();
  await look(page, kind, 'admin-person');
  await page.goto(`${ISSUER}/admin/apps`);
  await page.locator('ul.rows a').first().click();
  await look(page, kind, 'admin-app');
  await page.goto(`${ISSUER}/account/app-passwords/new`);
  await page.locator('#label').fill('Phone');
  await page.locator('main button').first().click();
  await look(page, kind, 'app-password-shown');
  await page.goto(`${ISSUER}/account/recovery`);
  await page.locator('main button').first().click();
  await look(page, kind, 'recovery-shown');
  // The pages of the key server, where nobody signs in.
  for (const path of ['/', '/upload', '/remove', '/statistics', `/search?q=${PERSON}`, '/search?q=nobody@home.localhost']) {
    await page.goto(`${KEYS}${path}`);
    await look(page, kind, `keys-${label(path)}${path.includes('nobody') ? '-none' : ''}`);
  }
  await page.goto(`${KEYS}/upload`);
  await page.locator('#keytext').fill(CERTIFICATE);
  await page.locator('main button').click();
  await look(page, kind, 'keys-uploaded');
  await page.goto(`${KEYS}/remove`);
  await page.locator('#address').fill(PERSON);
  await page.locator('main button').click();
  await look(page, kind, 'keys-remove-sent');
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ pages: seen.size, findings }));
