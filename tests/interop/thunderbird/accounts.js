// SPDX-License-Identifier: AGPL-3.0-or-later
// The accounts that there are, with all that is set for them, their passwords, and the add-ons.
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { AddonManager } = ChromeUtils.importESModule("resource://gre/modules/AddonManager.sys.mjs");
const accounts = MailServices.accounts.accounts
  .filter(account => account.incomingServer.type == "imap")
  .map(account => {
    const { incomingServer: server, defaultIdentity: identity } = account;
    const smtp = MailServices.outgoingServer.getServerByKey(identity.smtpServerKey);
    return {
      key: account.key,
      incoming: [server.hostname, server.port, server.socketType, server.authMethod, server.username],
      outgoing: [smtp.serverURI.host, smtp.serverURI.port, smtp.socketType, smtp.authMethod, smtp.username],
      identity: [identity.fullName, identity.email],
      keys: [server.key, smtp.key, identity.key],
    };
  });
const settings = {};
for (const name of Services.prefs.getChildList("mail.").filter(one => /^mail\.(server|smtpserver|identity|account)\./.test(one))) {
  const type = Services.prefs.getPrefType(name);
  settings[name] = type == Services.prefs.PREF_STRING ? Services.prefs.getStringPref(name) : type == Services.prefs.PREF_INT
    ? Services.prefs.getIntPref(name)
    : Services.prefs.getBoolPref(name);
}
const logins = (await Services.logins.getAllLogins()).map(login => [login.origin, login.username, login.password]).sort();
const addons = (await AddonManager.getAddonsByTypes(["extension"])).map(addon => addon.name).filter(name => name.startsWith("Hearth"));
return { accounts, settings, logins, addons };
