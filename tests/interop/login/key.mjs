// SPDX-License-Identifier: AGPL-3.0-or-later
// An OpenPGP key is made in the browser on the account page, saved, and shown to others; then one that the home makes, with
// scripts switched off. One JSON line says what came of it; the files lie in FILES.
//
// In the environment: ISSUER, ADDRESS (where its names are), PERSON, PASSWORD, PROFILE, PASSPHRASE, FILES, SHOTS (optional).

import { chromium } from 'playwright-core';

const { ISSUER, ADDRESS, PERSON, PASSWORD, PROFILE, PASSPHRASE, FILES, SHOTS } = process.env;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', `--host-resolver-rules=MAP ${new URL(ISSUER).hostname} ${ADDRESS}`],
});
const refused = [];
async function begin(options) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.on('console', (message) => { if (message.type() === 'error') refused.push(message.text()); });
  await page.goto(`${ISSUER}/sign-in?to=key`);
  await page.locator('#username').fill(PERSON);
  await page.locator('#password').fill(PASSWORD);
  await page.locator('form[action="/sign-in"] button').click();
  await page.waitForURL(`${ISSUER}/account/key`);
  return page;
}
async function save(page, link, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  await download.saveAs(`${FILES}/${name}`);
  return download.suggestedFilename();
}

const phone = await begin({ viewport: { width: 390, height: 844 } });
const sent = [];
phone.on('request', (request) => sent.push(request.postData() ?? ''));
await phone.locator('[data-version]').selectOption(PROFILE);
await phone.locator('[data-passphrase]').fill(PASSPHRASE);
await phone.locator('[data-again]').fill('another one altogether');
await phone.locator('[data-begin]').click();
const unlike = await phone.locator('[data-failed]').innerText();
await phone.locator('[data-again]').fill(PASSPHRASE);
await phone.locator('[data-begin]').click();
await phone.locator('[data-file]').waitFor();
const early = await phone.locator('[data-publish]').isDisabled();
if (SHOTS) await phone.screenshot({ path: `${SHOTS}/key-made-phone.png`, fullPage: true });
const name = await save(phone, phone.locator('[data-file]'), 'browser.asc');
await phone.locator('[data-publish]').click();
await phone.locator('[role=status]').waitFor();
const says = await phone.locator('[role=status]').innerText();
const posted = sent.join('\n');
if (SHOTS) await phone.screenshot({ path: `${SHOTS}/key-phone.png`, fullPage: true });

const desk = await begin({ viewport: { width: 1280, height: 900 }, javaScriptEnabled: false, locale: 'fr-FR' });
const scripted = await desk.locator('[data-begin]').isVisible();
await desk.locator('#new-passphrase').fill(PASSPHRASE);
await desk.locator('#again').fill(PASSPHRASE);
await desk.locator('#here button').click();
if (SHOTS) await desk.screenshot({ path: `${SHOTS}/key-handed-out-desk.png`, fullPage: true });
await save(desk, desk.locator('a[download]'), 'home.asc');
await desk.goto(`${ISSUER}/account/key`);
for (const one of await desk.locator('details > summary').all()) await one.click();
if (SHOTS) await desk.screenshot({ path: `${SHOTS}/key-desk.png`, fullPage: true });
await desk.locator('a[href^="/account/key/sheet"]').first().click();
if (SHOTS) await desk.screenshot({ path: `${SHOTS}/key-sheet-desk.png`, fullPage: true });
await browser.close();

console.log(JSON.stringify({
  unlike, early, name, says, scripted, refused,
  secret_was_sent: posted.includes('PRIVATE') || posted.includes(encodeURIComponent(PASSPHRASE)) || posted.includes(PASSPHRASE.replaceAll(' ', '+')),
}));
process.exit(0);
