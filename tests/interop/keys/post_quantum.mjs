// SPDX-License-Identifier: AGPL-3.0-or-later
// In the current folder: reads cert.asc and secret.asc, opens `ours` into `opened`, and seals that again into `theirs`.
import { readFileSync, writeFileSync } from 'node:fs';
import * as openpgp from '@protontech/openpgp';

const key = await openpgp.readKey({ armoredKey: readFileSync('cert.asc', 'utf8') });
const decryptionKeys = await openpgp.readPrivateKey({ armoredKey: readFileSync('secret.asc', 'utf8') });
const encryption = await key.getEncryptionKey();
const { algorithm } = encryption.getAlgorithmInfo();
if (algorithm !== 'pqc_mlkem_x25519') throw new Error(`the encryption key is ${algorithm}`);
const message = await openpgp.readMessage({ binaryMessage: new Uint8Array(readFileSync('ours')) });
const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary' });
writeFileSync('opened', data);
const sealed = await openpgp.encrypt({
  message: await openpgp.createMessage({ binary: data }),
  encryptionKeys: key,
  format: 'binary',
});
writeFileSync('theirs', sealed);
