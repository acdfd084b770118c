// SPDX-License-Identifier: AGPL-3.0-or-later
// npm oidc-provider as `peer` starts it: in-memory store, password check by scrypt (N=16384).
import { Provider } from 'oidc-provider';
import crypto from 'node:crypto';
import http from 'node:http';
const port = Number(process.env.PORT || 31480), base = `http://127.0.0.1:${port}`;
const salt = 'benchsalt', cost = { N: 16384, r: 8, p: 1 };
const stored = crypto.scryptSync('velvet-otter-turbine', salt, 32, cost);
const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' };
const check = (pw) => new Promise((ok, no) => crypto.scrypt(pw, salt, 32, cost, (e, k) => e ? no(e) : ok(crypto.timingSafeEqual(k, stored))));
const provider = new Provider(base, {
  clients: [{ client_id: 'bench', client_secret: 'bench-secret-bench-secret-bench-secret', grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'], redirect_uris: ['http://127.0.0.1:31999/cb'], id_token_signed_response_alg: 'ES256' }],
  jwks: { keys: [jwk] }, cookies: { keys: ['a-cookie-key'] },
  features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true }, introspection: { enabled: true }, revocation: { enabled: true } },
  pkce: { required: () => true }, scopes: ['openid', 'offline_access', 'email', 'mail'],
  rotateRefreshToken: true,
  findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, email: id }) }),
  interactions: { url: (ctx, i) => `/i/${i.uid}` },
  loadExistingGrant: async (ctx) => {
    const g = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    g.addOIDCScope('openid offline_access email mail'); await g.save(); return g;
  },
});
const cb = provider.callback();
http.createServer(async (req, res) => {
  if (!req.url.startsWith('/i/')) return cb(req, res);
  try {
    if (req.method === 'GET') {
      await provider.interactionDetails(req, res);
      res.setHeader('content-type', 'text/html');
      return res.end(`<!doctype html><title>Sign in</title><form method="post" action="${req.url}"><input type="text" name="login"><input type="password" name="password"><button type="submit">Sign in</button></form>`);
    }
    let b = ''; for await (const c of req) b += c;
    const f = new URLSearchParams(b);
    const d = await provider.interactionDetails(req, res);
    if (d.prompt.name === 'consent') return await provider.interactionFinished(req, res, { consent: {} }, { mergeWithLastSubmission: true });
    if (!await check(f.get('password'))) { res.statusCode = 403; return res.end('no'); }
    await provider.interactionFinished(req, res, { login: { accountId: f.get('login') }, consent: {} }, { mergeWithLastSubmission: false });
  } catch (e) { res.statusCode = 500; res.end(String(e)); }
}).listen(port, '127.0.0.1');
