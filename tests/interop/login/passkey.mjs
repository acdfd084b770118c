// SPDX-License-Identifier: AGPL-3.0-or-later
// Passkeys with Chromium's virtual authenticator: one is made on the account page, and signs in alone, by the
// button and by the browser's own list (conditional UI). One JSON line says what came of it.
//
// In the environment: ISSUER, ADDRESS (where its names are), PERSON, PASSWORD, SHOTS (optional).

import { chromium } from 'playwright-core';

const { ISSUER, ADDRESS, PERSON, PASSWORD, SHOTS } = process.env;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors',
    `--host-resolver-rules=MAP ${new URL(ISSUER).hostname} ${ADDRESS}`,
  ],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 390, height: 844 } });
const page = await context.newPage();
const refused = [];
page.on('console', (message) => { if (message.type() === 'error') refused.push(message.text()); });

const devtools = await context.newCDPSession(page);
await devtools.send('WebAuthn.enable');
const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
  options: {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: false,
  },
});
const touch = (enabled) => devtools.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });
const heading = () => page.getByRole('heading', { level: 1 }).innerText();
const signOut = async () => {
  await page.goto(`${ISSUER}/account`);
  await page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click();
};

await page.goto(`${ISSUER}/sign-in?to=passkeys`);
await page.getByLabel('Name or address').fill(PERSON);
await page.getByLabel('Password').fill(PASSWORD);
await page.getByRole('button', { name: 'Sign in', exact: true }).click();
await page.getByLabel('What will you call it?').fill('The virtual phone');
await touch(true);
await page.getByRole('button', { name: 'Add a passkey' }).click();
await page.locator('#codes').waitFor();
const codes = await page.locator('#codes li').count();
if (SHOTS) await page.screenshot({ path: `${SHOTS}/recovery-codes.png`, fullPage: true });
const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
await page.goto(`${ISSUER}/account/passkeys`);
const listed = await page.getByRole('main').innerText();
if (SHOTS) await page.screenshot({ path: `${SHOTS}/passkeys.png`, fullPage: true });
await signOut();

// By the browser's own list: the page asks by itself, and the authenticator is touched.
await page.goto(`${ISSUER}/sign-in`);
await page.waitForURL(`${ISSUER}/account`);
const byItself = await heading();
await signOut();

// By the button: nothing is typed. The page does not ask by itself this time.
await page.addInitScript(() => { PublicKeyCredential.isConditionalMediationAvailable = async () => false; });
await page.goto(`${ISSUER}/sign-in`);
await page.getByRole('button', { name: 'Use a passkey' }).click();
await page.waitForURL(`${ISSUER}/account`);
const byButton = await heading();
await signOut();

// The password alone is not enough any more; a passkey after it is.
await page.goto(`${ISSUER}/sign-in`);
await page.getByLabel('Name or address').fill(PERSON);
await page.getByLabel('Password').fill(PASSWORD);
await page.getByRole('button', { name: 'Sign in', exact: true }).click();
await page.getByText('A line of your recovery sheet').waitFor();
const second = await heading();
await page.getByRole('button', { name: 'Use a passkey' }).click();
await page.waitForURL(`${ISSUER}/account`);
await page.goto(`${ISSUER}/account/passkeys`);
await page.locator('details.sure > summary').first().click();
await page.getByRole('button', { name: 'Yes: Remove' }).click();
const afterwards = await page.getByRole('main').innerText();
await browser.close();

console.log(JSON.stringify({
  codes, resident: credentials.map((one) => one.isResidentCredential), listed, by_button: byButton, by_itself: byItself, second, afterwards, refused,
}));
process.exit(0);
