// SPDX-License-Identifier: AGPL-3.0-or-later
// A login as an app does it: openid-client asks, a browser without scripts fills the pages in, jose
// verifies. One JSON line on standard output says what came of it; the test judges it.
//
// In the environment: ISSUER, ADDRESS (where its names are), CLIENT_ID, CLIENT_SECRET, PERSON,
// PASSWORD, SHOTS (a folder for pictures, optional). NODE_EXTRA_CA_CERTS names the home's authority.

import { createServer } from 'node:http';
import { request } from 'node:https';
import * as oidc from 'openid-client';
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { chromium } from 'playwright-core';

const { ISSUER, ADDRESS, CLIENT_ID, CLIENT_SECRET, PERSON, PASSWORD, SHOTS } = process.env;
const PHONE = { width: 390, height: 844 };

// fetch, but for where names are: the home has an address of its own in each test.
function fetchAtHome(url, { method = 'GET', headers = {}, body } = {}) {
  const lookup = (_, options, done) => (options.all ? done(null, [{ address: ADDRESS, family: 4 }]) : done(null, ADDRESS, 4));
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, lookup, headers: Object.fromEntries(new Headers(headers)) }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
        const none = [204, 304].includes(answer.statusCode);
        resolve(new Response(none ? null : Buffer.concat(parts), { status: answer.statusCode, headers: answer.headers }));
      });
    });
    asked.on('error', reject).end(body === undefined || body === null ? undefined : body.toString());
  });
}

// The app's own web server: the address that the browser comes back to.
async function listenForCallback() {
  let arrived;
  const callback = new Promise((resolve) => { arrived = resolve; });
  const server = createServer((asked, answer) => {
    answer.end('You can close this page.');
    if (asked.url.startsWith('/callback')) arrived(new URL(asked.url, uri));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const uri = `http://127.0.0.1:${server.address().port}/callback`;
  return { uri, callback, close: () => server.close() };
}

async function shot(page, name, colorScheme) {
  if (!SHOTS) return;
  await page.emulateMedia({ colorScheme });
  await page.screenshot({ path: `${SHOTS}/${name}-${colorScheme}.png`, fullPage: true });
}

async function shots(page, name) {
  await shot(page, name, 'dark');
  await shot(page, name, 'light');
}

const config = await oidc.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, { [oidc.customFetch]: fetchAtHome });
config[oidc.customFetch] = fetchAtHome;
const { uri, callback, close } = await listenForCallback();
const verifier = oidc.randomPKCECodeVerifier();
const state = oidc.randomState();
const nonce = oidc.randomNonce();
const authorization = oidc.buildAuthorizationUrl(config, {
  redirect_uri: uri,
  scope: 'openid email profile mail offline_access',
  code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  login_hint: PERSON,
  state,
  nonce,
});

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', `--host-resolver-rules=MAP ${new URL(ISSUER).hostname} ${ADDRESS}`],
});
// No page of ours needs a script, so none may run.
const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false, viewport: PHONE, deviceScaleFactor: 2 });
const page = await context.newPage();
const refused = [];
page.on('console', (message) => { if (message.type() === 'error') refused.push(message.text()); });

await page.goto(authorization.href);
await shots(page, 'sign-in');
await page.getByLabel('Password').fill('not the password');
await page.getByRole('button', { name: 'Sign in' }).click();
const alert = await page.getByRole('alert').innerText();
await shots(page, 'sign-in-refused');
await page.getByLabel('Password').fill(PASSWORD);
await page.getByRole('button', { name: 'Sign in' }).click();
await page.getByRole('button', { name: 'Allow' }).waitFor();
const asked = await page.getByRole('main').innerText();
await shots(page, 'consent');
await page.getByRole('button', { name: 'Allow' }).click();
const back = await callback;

const tokens = await oidc.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
});
const claims = tokens.claims();
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri), { [customFetch]: fetchAtHome });
const verified = await jwtVerify(tokens.id_token, keys, { issuer: ISSUER, audience: CLIENT_ID });
const person = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
const introspected = await oidc.tokenIntrospection(config, refreshed.access_token);

await page.goto(`${ISSUER}/account/app-passwords/new`);
await page.getByLabel('What is it for?').fill('Thunderbird on the laptop');
await shots(page, 'app-password-new');
await page.getByRole('button', { name: 'Make it' }).click();
const appPassword = await page.locator('#app-password').innerText();
await shots(page, 'app-password');
await page.goto(`${ISSUER}/account`);
const account = await page.getByRole('main').innerText();
await shots(page, 'account');
await page.goto(`${ISSUER}/account/password`);
await shots(page, 'password');
await page.goto(`${ISSUER}/account`);
await page.getByRole('button', { name: 'Disconnect' }).first().click();
const afterwards = await page.getByRole('main').innerText();
const ended = await oidc.refreshTokenGrant(config, refreshed.refresh_token).then(() => 'none', (error) => error.error);
await page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click();
const signedOut = await page.getByRole('heading', { level: 1 }).innerText();
await browser.close();
close();

console.log(JSON.stringify({
  iss: back.searchParams.get('iss'),
  alert,
  asked,
  algorithm: verified.protectedHeader.alg,
  claims,
  person,
  scope: tokens.scope,
  rotated: refreshed.refresh_token !== tokens.refresh_token,
  access_token: refreshed.access_token,
  active: introspected.active,
  app_password: appPassword,
  account,
  afterwards,
  ended,
  signed_out: signedOut,
  refused,
}));
process.exit(0);
