// SPDX-License-Identifier: AGPL-3.0-or-later
// Opens the inbox of an account and reads a letter in it.
// A: [address, subject]
const [address, subject] = A;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { NetUtil } = ChromeUtils.importESModule("resource://gre/modules/NetUtil.sys.mjs");
const server = MailServices.accounts.accounts.find(one => one.defaultIdentity?.email == address).incomingServer;
server.performExpand(null);
const inbox = await until("the inbox", () => server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox));
const header = await until("the letter", turn => {
  if (turn % 20 == 0) {
    inbox.updateFolder(null);
  }
  return [...inbox.messages].find(one => one.subject == subject);
});
const uri = inbox.getUriForMsg(header);
return new Promise((resolve, reject) => {
  let text = "";
  const listener = {
    QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
    onStartRequest() {},
    onDataAvailable(request, stream, offset, count) {
      text += NetUtil.readInputStreamToString(stream, count);
    },
    onStopRequest: (request, status) => (status ? reject(new Error(`read: ${(status >>> 0).toString(16)}`)) : resolve(text)),
  };
  MailServices.messageServiceFromURI(uri).streamMessage(uri, listener, null, null, false, "");
});
