// SPDX-License-Identifier: AGPL-3.0-or-later
// The one thing that the add-on does, in Thunderbird's own words: one more account, as its account set-up makes it.
// (quirk: Thunderbird 153 ESR, 2026-11: the API for add-ons reads accounts and makes none.)
"use strict";

const from = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`)[name];

/** A password that was left behind by an account that is gone: a new one of the same name would not take its place. */
async function forget(origin, username) {
  for (const login of await Services.logins.searchLoginsAsync({ origin, httpRealm: origin })) {
    if (login.username == username) {
      await Services.logins.removeLoginAsync(login);
    }
  }
}

function configOf(account) {
  const config = new (from("AccountConfig"))();
  const server = {
    hostname: account.host,
    username: account.address,
    password: account.password,
    socketType: Ci.nsMsgSocketType.SSL,
    auth: Ci.nsMsgAuthMethod.passwordCleartext,
  };
  Object.assign(config.incoming, server, { type: "imap", port: account.imap });
  Object.assign(config.outgoing, server, { type: "smtp", port: account.submission });
  config.identity = { realname: account.name, emailAddress: account.address };
  config.displayName = account.address;
  config.rememberPassword = true;
  return config;
}

this.hearth = class extends ExtensionAPI {
  getAPI() {
    return {
      hearth: {
        /** True: it was added. False: it was there, and nothing is changed. */
        async addAccount(account) {
          const backend = from("CreateInBackend");
          const config = configOf(account);
          if (backend.checkIncomingServerAlreadyExists(config)) {
            return false;
          }
          await forget(`imap://${account.host}`, account.address);
          // Somebody else's account may send by it already, with a password of its own.
          if (!backend.checkOutgoingServerAlreadyExists(config)) {
            await forget(`smtp://${account.host}`, account.address);
          }
          // Looked at again, for another press of the button may have been quicker.
          if (backend.checkIncomingServerAlreadyExists(config)) {
            return false;
          }
          await backend.createAccountInBackend(config);
          return true;
        },
      },
    };
  }
};
