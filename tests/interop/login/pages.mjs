// SPDX-License-Identifier: AGPL-3.0-or-later
// Every page in a browser, at the width of a phone and of a desk, light and dark, in English and French: axe-core
// looks for what somebody could not read or reach, and nothing may be cut off at the side. Pictures are kept in SHOTS.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { chromium } from 'playwright-core';

const { ISSUER, ADDRESS, PERSON, PASSWORD, SHOTS, WELCOME, AUTHORIZE, KEYS, CERTIFICATE, ALICE, BOB, BOB_PASSWORD,
  DEVICE, IMAP, MAIL_PASSWORD } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LOOKS = [
  { name: 'phone', viewport: { width: 390, height: 844 }, colorScheme: 'light', locale: 'fr-FR' },
  { name: 'narrow', viewport: { width: 320, height: 640 }, colorScheme: 'dark', locale: 'en-GB' },
  { name: 'desk', viewport: { width: 1280, height: 900 }, colorScheme: 'light', locale: 'en-GB' },
  { name: 'desk-dark', viewport: { width: 1280, height: 900 }, colorScheme: 'dark', locale: 'fr-FR' },
];
const STRANGERS = ['/sign-in', '/nowhere', '/welcome/x', WELCOME, '/authorize?client_id=nobody'];
const OWN = ['/account', '/account/profile', '/account/app-passwords/new', '/account/password', '/account/passkeys', '/account/authenticator',
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

async function signIn(page, person, password) {
  await page.goto(`${ISSUER}/sign-in`);
  await page.locator('#username').fill(person);
  await page.locator('#password').fill(password);
  await page.locator('form[action="/sign-in"] button').click();
}

// RFC 6238: what an authenticator app shows for the secret of a page.
function code(letters) {
  const bits = [...letters.replaceAll(' ', '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((octet) => parseInt(octet, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
  const hash = createHmac('sha1', key).update(step).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}

// All that is in the inbox of ALICE, as her mail program reads it; letters of the house are base64.
function inbox() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ADDRESS, port: Number(IMAP), rejectUnauthorized: false });
    let said = '';
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('data', (text) => {
      said += text;
      if (!/^c /m.test(said)) return;
      socket.destroy();
      resolve(said.split(/\{\d+\}\r\n/).map((one) => Buffer.from(one.split(')')[0], 'base64').toString()).join('\n'));
    });
    socket.write(`a LOGIN ${ALICE} ${MAIL_PASSWORD}\r\nb SELECT INBOX\r\nc FETCH 1:* BODY[TEXT]\r\n`);
  });
}

// Where the letter to an address elsewhere leads.
async function proofOf(page) {
  await page.goto(`${ISSUER}/account/contact`);
  await page.locator('#address').fill(ALICE);
  await page.locator('main form').last().locator('button').click();
  for (let left = 40; left > 0; left -= 1) {
    const link = (await inbox()).match(/\/account\/contact\/[\w-]+/);
    if (link) return link[0];
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error('no letter came');
}

let proof;
for (const kind of LOOKS) {
  const isFirst = kind === LOOKS[0];
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, ...kind });
  const page = await context.newPage();
  const visit = async (path, as = label(path)) => {
    await page.goto(`${ISSUER}${path}`);
    await look(page, kind, as);
  };
  for (const path of STRANGERS) await visit(path, path === WELCOME ? 'welcome' : path.startsWith('/authorize') ? 'error' : label(path));
  await signIn(page, PERSON, 'not the password');
  await look(page, kind, 'sign-in-error');
  await signIn(page, PERSON, PASSWORD);
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
  // What is under way, and what is refused.
  await visit('/sign-in?to=mail', 'sign-in-again');
  await page.goto(`${ISSUER}/account/authenticator`);
  await page.locator('#label').fill('Phone');
  await page.locator('form[action="/account/authenticator"] button').click();
  await look(page, kind, 'authenticator-waiting');
  await page.locator('form[action="/account/authenticator/forget"] button').click();
  await page.locator('#label').waitFor();
  const asked = await page.evaluate(async (client) => {
    const body = new URLSearchParams({ client_id: client, scope: 'openid mail' });
    return (await fetch('/device-authorization', { method: 'POST', body })).json();
  }, DEVICE);
  await page.goto(asked.verification_uri_complete);
  await page.locator('main button').click();
  await look(page, kind, 'device-confirm');
  await page.locator('button[value="allow"]').click();
  await look(page, kind, 'device-done');
  proof ??= await proofOf(page);
  await visit(proof, 'contact-proof');
  await page.goto(`${ISSUER}/account/contact`);
  await page.locator('#address').fill(PERSON);
  await page.locator('main form').last().locator('button').click();
  await look(page, kind, 'contact-error');
  await page.goto(`${ISSUER}/account/app-passwords/new`);
  await page.locator('#label').fill('Lap\u200btop');
  await page.locator('main button').first().click();
  await look(page, kind, 'app-password-error');
  await page.goto(`${ISSUER}/admin/aliases`);
  await page.locator('input[name="address"]').fill('us@elsewhere.example');
  await page.locator('input[name="targets"]').fill(PERSON);
  await page.locator('main section').last().locator('button').click();
  await look(page, kind, 'admin-error');
  // Whoever has to prove it twice: without a second thing, and with one.
  if (isFirst) {
    await page.goto(`${ISSUER}/admin/rules`);
    await page.locator('li:has-text("family@") button').click();
    await page.locator('[role="status"]').waitFor();
    const before = await browser.newContext({ ignoreHTTPSErrors: true });
    const bob = await before.newPage();
    await signIn(bob, BOB, BOB_PASSWORD);
    await bob.waitForURL('**/account');
    await bob.goto(`${ISSUER}/account/authenticator`);
    await bob.locator('form[action="/account/authenticator"] button').click();
    await bob.locator('#code').fill(code(await bob.locator('#secret').innerText()));
    await bob.locator('form[action="/account/authenticator/confirm"] button').click();
    await bob.locator('#codes').waitFor();
    await before.close();
  }
  for (const [person, password, as] of [[ALICE, PASSWORD, 'wall'], [BOB, BOB_PASSWORD, 'second-step']]) {
    const other = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, ...kind });
    const theirs = await other.newPage();
    await signIn(theirs, person, password);
    await theirs.locator(as === 'wall' ? 'a[href="/account/authenticator"]' : '#code').waitFor();
    await look(theirs, kind, as);
    await other.close();
  }
  await page.goto(`${ISSUER}/logout`);
  await page.locator('main button').click();
  await look(page, kind, 'signed-out');
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
