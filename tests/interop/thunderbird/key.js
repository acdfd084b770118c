// SPDX-License-Identifier: AGPL-3.0-or-later
// Looks for the OpenPGP certificate of an address in its Web Key Directory.
// A: [address]
const { EnigmailWkdLookup } = ChromeUtils.importESModule("chrome://openpgp/content/modules/wkdLookup.sys.mjs");
const url = await EnigmailWkdLookup.getDownloadUrlFromEmail(A[0], true);
const key = await EnigmailWkdLookup.downloadKey(url);
return { url, octets: key?.length ?? 0 };
