// SPDX-License-Identifier: AGPL-3.0-or-later
// A careful native app with oauth4webapi: PAR, DPoP, PKCE, nonce, `iss`, refresh, revocation; every answer is validated by
// the library. One JSON line says what came of it.
//
// In the environment: ISSUER, CLIENT_ID (a public client), PERSON, PASSWORD. NODE_EXTRA_CA_CERTS names the authority.

import { createServer } from 'node:http';
import * as o from 'oauth4webapi';
import { chromium } from 'playwright-core';

const { ISSUER, CLIENT_ID, PERSON, PASSWORD } = process.env;

const issuer = new URL(ISSUER);
const as = await o.processDiscoveryResponse(issuer, await o.discoveryRequest(issuer));
const client = { client_id: CLIENT_ID };
const none = o.None();
const DPoP = o.DPoP(client, await o.generateKeyPair('ES256'));

let arrived;
const callback = new Promise((resolve) => { arrived = resolve; });
const server = createServer((asked, answer) => {
  answer.end('You can close this page.');
  if (asked.url.startsWith('/callback')) arrived(new URL(asked.url, redirect_uri));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const redirect_uri = `http://127.0.0.1:${server.address().port}/callback`;

const verifier = o.generateRandomCodeVerifier();
const [state, nonce] = [o.generateRandomState(), o.generateRandomNonce()];
const request = {
  response_type: 'code', redirect_uri, scope: 'openid email offline_access', state, nonce,
  code_challenge: await o.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
};
const pushed = await o.processPushedAuthorizationResponse(as, client,
  await o.pushedAuthorizationRequest(as, client, none, request, { DPoP }));

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors'],
});
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
await page.goto(`${as.authorization_endpoint}?${new URLSearchParams({ client_id: CLIENT_ID, request_uri: pushed.request_uri })}`);
await page.locator('#username').fill(PERSON);
await page.locator('#password').fill(PASSWORD);
await page.locator('form[action="/sign-in"] button').first().click();
await page.getByRole('button', { name: 'Allow' }).click();
const back = o.validateAuthResponse(as, client, await callback, state);
await browser.close();
server.close();

const answer = await o.authorizationCodeGrantRequest(as, client, none, back, redirect_uri, verifier, { DPoP });
const tokens = await o.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true });
await o.validateApplicationLevelSignature(as, answer);
const claims = o.getValidatedIdTokenClaims(tokens);
const person = await o.processUserInfoResponse(as, client, claims.sub,
  await o.userInfoRequest(as, client, tokens.access_token, { DPoP }));
// Somebody who took the token and not the key.
const stolen = await fetch(as.userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
const refreshed = await o.processRefreshTokenResponse(as, client,
  await o.refreshTokenGrantRequest(as, client, none, tokens.refresh_token, { DPoP }));
const another = o.DPoP(client, await o.generateKeyPair('ES256'));
const refused = await o.processRefreshTokenResponse(as, client,
  await o.refreshTokenGrantRequest(as, client, none, refreshed.refresh_token, { DPoP: another })).then(() => 'taken', (error) => error.error);
await o.processRevocationResponse(await o.revocationRequest(as, client, none, refreshed.refresh_token));
const ended = await o.userInfoRequest(as, client, refreshed.access_token, { DPoP }).then((response) => response.status);

console.log(JSON.stringify({
  type: tokens.token_type, email: person.email, same: person.sub === claims.sub, stolen: stolen.status, refused, ended,
  rotated: refreshed.refresh_token !== tokens.refresh_token,
}));
process.exit(0);
