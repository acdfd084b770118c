// SPDX-License-Identifier: AGPL-3.0-or-later
// Sends a letter to the account itself, waits until it comes, finds it by a word of its body, flags it, moves it.
// A: [address, subject, word of the body]
const [address, subject, word] = A;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const account = MailServices.accounts.accounts.find(one => one.incomingServer.type == "imap");
const server = account.incomingServer;
server.performExpand(null);
const withFlag = flag => server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags[flag]);
// It signs in, and asks for the folders, when one of them is opened.
(await until("the inbox", () => withFlag("Inbox"))).updateFolder(null);
await until("the folders", () => ["Inbox", "SentMail", "Archive", "Junk", "Trash"].every(withFlag));
const inbox = withFlag("Inbox");
const archive = withFlag("Archive");

// Send, with a copy into Sent.
const identity = account.defaultIdentity;
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
Object.assign(fields, { from: address, to: address, subject, body: `A letter with a ${word}.\r\n`, forcePlainText: true });
const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
Object.assign(params, { composeFields: fields, identity, format: Ci.nsIMsgCompFormat.PlainText, type: Ci.nsIMsgCompType.New });
identity.doFcc = true;
identity.fccFolderURI = withFlag("SentMail").URI;
const compose = MailServices.compose.initCompose(params);
await new Promise((resolve, reject) => {
  const done = status => (status ? reject(new Error(`send: ${(status >>> 0).toString(16)}`)) : resolve());
  compose.addMsgSendListener({
    onStartSending() {},
    onSendProgress() {},
    onStatus() {},
    onSendNotPerformed: () => reject(new Error("not sent")),
    onGetDraftFolderURI() {},
    onTransportSecurityError: (id, status) => reject(new Error(`TLS: ${status}`)),
    onStopSending: (id, status) => done(status),
    QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
  });
  const progress = Cc["@mozilla.org/messenger/progress;1"].createInstance(Ci.nsIMsgProgress);
  compose.sendMsg(Ci.nsIMsgCompDeliverMode.Now, identity, account.key, null, progress).catch(reject);
});

// Receive.
const find = folder => [...folder.messages].find(one => one.subject == subject);
await until("the letter", turn => {
  if (turn % 20 == 0) {
    inbox.updateFolder(null);
  }
  return find(inbox);
});

// Search, by the server.
const found = await new Promise(resolve => {
  const hits = [];
  const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
  session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox);
  const term = session.createTerm();
  const value = term.value;
  value.attrib = Ci.nsMsgSearchAttrib.Body;
  value.str = word;
  Object.assign(term, { attrib: Ci.nsMsgSearchAttrib.Body, op: Ci.nsMsgSearchOp.Contains, value, booleanAnd: true });
  session.appendTerm(term);
  session.registerListener({
    onSearchHit: header => hits.push(header.subject),
    onSearchDone: () => resolve(hits),
    onNewSearch() {},
    QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
  });
  session.search(null);
});

// Flag and move.
inbox.markMessagesFlagged([find(inbox)], true);
await new Promise((resolve, reject) => {
  const listener = {
    onStartCopy() {},
    onProgress() {},
    setMessageKey() {},
    getMessageId: () => null,
    onStopCopy: status => (status ? reject(new Error(`move: ${(status >>> 0).toString(16)}`)) : resolve()),
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
  };
  MailServices.copy.copyMessages(inbox, [find(inbox)], archive, true, listener, null, false);
});
await until("the moved letter", turn => {
  if (turn % 20 == 0) {
    archive.updateFolder(null);
  }
  return find(archive);
});
return { found, folders: server.rootFolder.descendants.map(one => one.name).sort() };
