// SPDX-License-Identifier: AGPL-3.0-or-later
// OpenPGP.js opens the file of a key that was made in the browser, and reads what is sealed to its published half.
import { readFileSync } from 'node:fs';
import * as openpgp from 'openpgp';

const { PUBLISHED, SECRET, PASSPHRASE } = process.env;
const published = await openpgp.readKey({ armoredKey: readFileSync(PUBLISHED, 'utf8') });
const locked = await openpgp.readPrivateKey({ armoredKey: readFileSync(SECRET, 'utf8') });
const opened = (passphrase) => openpgp.decryptKey({ privateKey: locked, passphrase });
if (await opened('another one').then(() => true, () => false)) throw new Error('a wrong passphrase opens it');
const privateKey = await opened(PASSPHRASE);
const message = await openpgp.createMessage({ text: 'only for Alice' });
const sealed = await openpgp.encrypt({ message, encryptionKeys: published, signingKeys: privateKey });
const { data, signatures } = await openpgp.decrypt({
  message: await openpgp.readMessage({ armoredMessage: sealed }),
  decryptionKeys: privateKey,
  verificationKeys: published,
});
await signatures[0].verified;
console.log(`version ${published.keyPacket.version}: ${data}`);
