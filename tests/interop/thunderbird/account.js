// SPDX-License-Identifier: AGPL-3.0-or-later
// Trusts the home's authority, finds the settings of an address by autoconfig, and makes the account from them.
// A: [authority in base64, address, password]
const [authority, address, password] = A;
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(authority, "CTu,CTu,CTu");
const from = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`)[name];
const [local, domain] = address.split("@");
const config = await from("FetchConfig").fromISP(domain, address, new AbortController().signal);
from("AccountConfig").replaceVariables(config, local, address, password);
config.incoming.password = password;
config.outgoing.password = password;
config.rememberPassword = true;
await from("CreateInBackend").createAccountInBackend(config);
const said = server => `${server.hostname}:${server.port} ${server.socketType} ${server.username}`;
return { incoming: said(config.incoming), outgoing: said(config.outgoing) };
