// SPDX-License-Identifier: AGPL-3.0-or-later
// OpenPGP.js finds a certificate by WKD and HKP, encrypts to it and opens what it encrypted, in both profiles.
import { readFileSync } from 'node:fs';
import * as openpgp from 'openpgp';
import HKP from '@openpgp/hkp-client';
import WKD from '@openpgp/wkd-client';

const { ADDRESS, KEYS, FINGERPRINT, SECRET } = process.env;
const check = (good, what) => {
  if (!good) throw new Error(what);
};

const byWkd = await openpgp.readKey({ binaryKey: new Uint8Array(await new WKD().lookup({ email: ADDRESS })) });
const byHkp = await openpgp.readKey({ armoredKey: await new HKP(KEYS).lookup({ query: ADDRESS }) });
for (const key of [byWkd, byHkp]) {
  check(key.getFingerprint().toUpperCase() === FINGERPRINT, 'another key was found');
  check(key.getUserIDs().length === 1, 'one user id is shown');
}
const privateKey = await openpgp.readPrivateKey({ armoredKey: readFileSync(SECRET, 'utf8') });
const message = await openpgp.createMessage({ text: 'by OpenPGP.js' });
const sealed = await openpgp.encrypt({ message, encryptionKeys: byWkd, signingKeys: privateKey });
const { data, signatures } = await openpgp.decrypt({
  message: await openpgp.readMessage({ armoredMessage: sealed }),
  decryptionKeys: privateKey,
  verificationKeys: byHkp,
});
check(data === 'by OpenPGP.js', 'it opens');
await signatures[0].verified;
console.log('found, sealed, opened');
