// SPDX-License-Identifier: AGPL-3.0-or-later
// Makes an OpenPGP key in the browser (RFC 9580). The secret half goes into a file, under a passphrase; the form brings the
// public half and a revocation to the home. And reads a file into the text field beside it.

const SHA256 = 8;
const SHA512 = 10;
const AES256 = 9;
const AES128 = 7;
const GCM = 3;
const TAG = { signature: 2, secretKey: 5, publicKey: 6, secretSubkey: 7, userId: 13, publicSubkey: 14 };
const YEARS = 3 * 365 * 24 * 3600;
// RFC 9580 §3.7.1.3: 2 to the 25th octets are hashed for one guess.
const S2K_COUNT = 0xf0;

const text = new TextEncoder();
const bytes = (...parts) => Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part])));
const number = (value, octets) => Array.from({ length: octets }, (_, at) => (value / 2 ** (8 * (octets - 1 - at))) & 0xff);
const digest = async (name, data) => new Uint8Array(await crypto.subtle.digest(name, data));
const hex = (octets) => [...octets].map((octet) => octet.toString(16).padStart(2, '0').toUpperCase()).join('');

/** RFC 9580 §3.2: a number of so many bits, without leading zeros. */
function mpi(octets) {
  const first = octets.findIndex((octet) => octet !== 0);
  const used = first < 0 ? [] : [...octets.slice(first)];
  const bits = used.length ? used.length * 8 - Math.clz32(used[0]) + 24 : 0;
  return bytes(number(bits, 2), used);
}

/** RFC 9580 §4.2.1: a packet with its length in five octets. */
const packet = (tag, body) => bytes(0xc0 | tag, 0xff, number(body.length, 4), body);
/** RFC 9580 §5.2.3.7 */
const subpacket = (kind, body) => bytes(body.length + 1, kind, body);

/** A key pair of WebCrypto as octets; both names end their PKCS #8 (RFC 8410 §7) with the 32 octets of the secret. */
async function pair(name, usages) {
  const made = await crypto.subtle.generateKey({ name }, true, usages);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', made.privateKey));
  return { sign: made.privateKey, open: new Uint8Array(await crypto.subtle.exportKey('raw', made.publicKey)), secret: pkcs8.slice(-32) };
}

/**
 * What differs between the versions: version 4 with Ed25519 and Curve25519 as GnuPG 2.1 knows them, version 6 (RFC 9580).
 * A public key packet (§5.5.2), its fingerprint (§5.5.4), a signature packet (§5.2.3) and a locked secret (§5.5.3).
 */
const VERSIONS = {
  4: {
    signs: 22,
    lengths: 2,
    mark: 0x99,
    salt: 0,
    features: [0x01],
    keyId: (fingerprint) => fingerprint.slice(-8),
    print: (hashed) => digest('SHA-1', hashed),
    signer: (open) => bytes(22, 9, [0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1], mpi(bytes(0x40, open))),
    opener: (open) => bytes(18, 10, [0x2b, 6, 1, 4, 1, 0x97, 0x55, 1, 5, 1], mpi(bytes(0x40, open)), [3, 1, SHA256, AES128]),
    // §5.5.5.5.2.1 keeps this number the other way round, with the bits that X25519 sets.
    scalar(secret) {
      const number = secret.slice().reverse();
      number[31] &= 248;
      number[0] = (number[0] & 127) | 64;
      return number;
    },
    signed: (octets) => bytes(mpi(octets.slice(0, 32)), mpi(octets.slice(32))),
    /** Usage 254: the secret and its SHA-1 in CFB. */
    async lock(tag, key, secret, passphrase) {
      const [salt, vector] = [8, 16].map((octets) => crypto.getRandomValues(new Uint8Array(octets)));
      const plain = mpi(secret);
      const sealed = await cfb(await stretch(passphrase, salt), vector, bytes(plain, await digest('SHA-1', plain)));
      return bytes(key.body, 254, AES256, 3, SHA256, salt, S2K_COUNT, vector, sealed);
    },
  },
  6: {
    signs: 27,
    lengths: 4,
    mark: 0x9b,
    salt: 32,
    features: [0x09],
    keyId: (fingerprint) => fingerprint.slice(0, 8),
    print: (hashed) => digest('SHA-256', hashed),
    signer: (open) => bytes(27, number(32, 4), open),
    opener: (open) => bytes(25, number(32, 4), open),
    scalar: (secret) => secret,
    signed: (octets) => octets,
    /** Usage 253: GCM, whose key also depends on what it is for. */
    async lock(tag, key, secret, passphrase) {
      const [salt, nonce] = [8, 12].map((octets) => crypto.getRandomValues(new Uint8Array(octets)));
      const s2k = bytes(3, SHA256, salt, S2K_COUNT);
      const about = bytes(0xc0 | tag, 6, AES256, GCM);
      const material = await crypto.subtle.importKey('raw', await stretched(passphrase, salt), 'HKDF', false, ['deriveKey']);
      const derive = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: about };
      const aes = await crypto.subtle.deriveKey(derive, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt']);
      const sealing = { name: 'AES-GCM', iv: nonce, additionalData: bytes(0xc0 | tag, key.body) };
      const sealed = new Uint8Array(await crypto.subtle.encrypt(sealing, aes, secret));
      const how = bytes(AES256, GCM, s2k.length, s2k, nonce);
      return bytes(key.body, 253, how.length, how, sealed);
    },
  },
};

async function describe(version, key, created, material) {
  const { mark, lengths, print } = VERSIONS[version];
  const body = bytes(version, number(created, 4), material);
  const hashed = bytes(mark, number(body.length, lengths), body);
  return { ...key, version, body, hashed, fingerprint: await print(hashed) };
}

/** RFC 9580 §5.2.4: a signature by the primary key over what `about` is. */
async function signature(primary, kind, about, created, subpackets) {
  const { version } = primary;
  const { signs, lengths, salt, keyId, signed } = VERSIONS[version];
  const hashed = bytes(subpacket(2, number(created, 4)), subpacket(33, bytes(version, primary.fingerprint)), ...subpackets);
  const head = bytes(version, kind, signs, SHA512, number(hashed.length, lengths), hashed);
  const fresh = crypto.getRandomValues(new Uint8Array(salt));
  const print = await digest('SHA-512', bytes(fresh, about, head, version, 0xff, number(head.length, 4)));
  const made = new Uint8Array(await crypto.subtle.sign({ name: 'Ed25519' }, primary.sign, print));
  // A version 6 signature names its issuer by the fingerprint alone.
  const unhashed = version === 4 ? subpacket(16, keyId(primary.fingerprint)) : [];
  const salted = version === 4 ? [] : bytes(salt, fresh);
  const body = bytes(head, number(unhashed.length, lengths), unhashed, print.slice(0, 2), salted, signed(made));
  return packet(TAG.signature, body);
}

/** RFC 9580 §3.7.1.3: salt and passphrase, again and again. */
function stretched(passphrase, salt) {
  const once = bytes(salt, text.encode(passphrase));
  const count = (16 + (S2K_COUNT & 15)) << ((S2K_COUNT >> 4) + 6);
  const all = new Uint8Array(count);
  all.set(once.subarray(0, count));
  for (let filled = once.length; filled < count; filled *= 2) all.copyWithin(filled, 0, Math.min(filled, count - filled));
  return digest('SHA-256', all);
}

const stretch = async (passphrase, salt) =>
  crypto.subtle.importKey('raw', await stretched(passphrase, salt), { name: 'AES-CBC' }, false, ['encrypt']);

/** CFB by a cipher that only has CBC: the first block of CBC with a zero vector is the cipher itself. */
async function cfb(key, vector, plain) {
  const sealed = new Uint8Array(plain.length);
  let block = vector;
  for (let at = 0; at < plain.length; at += 16) {
    const mask = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, key, block));
    for (let i = at; i < Math.min(at + 16, plain.length); i += 1) sealed[i] = plain[i] ^ mask[i - at];
    block = sealed.slice(at, at + 16);
  }
  return sealed;
}

/** RFC 9580 §6.1: the checksum at the end of armour. */
function checksum(octets) {
  let sum = 0xb704ce;
  for (const octet of octets) {
    sum ^= octet << 16;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 0x800000 ? (sum << 1) ^ 0x1864cfb : sum << 1;
  }
  return number(sum & 0xffffff, 3);
}

function armor(kind, octets) {
  const base64 = (some) => btoa(String.fromCharCode(...some));
  const lines = base64(octets).match(/.{1,64}/g).join('\n');
  return `-----BEGIN PGP ${kind}-----\n\n${lines}\n=${base64(checksum(octets))}\n-----END PGP ${kind}-----\n`;
}

function userIds({ name, address, addresses }) {
  const plain = name.replace(/[<>()@,;:"\\[\]\p{Cc}]/gu, '').trim();
  const others = addresses.filter((other) => other !== address);
  return [plain ? `${plain} <${address}>` : `<${address}>`, ...others.map((other) => `<${other}>`)];
}

/** The whole key: a file for the person, the public half and a revocation for the home. */
async function make(version, whose, passphrase) {
  const { signer, opener, scalar, features, lock } = VERSIONS[version];
  // A little back, so that a correspondent whose clock is behind can use it at once.
  const created = Math.floor(Date.now() / 1000) - 60;
  const [signs, opens] = [await pair('Ed25519', ['sign', 'verify']), await pair('X25519', ['deriveBits'])];
  const primary = await describe(version, signs, created, signer(signs.open));
  const subkey = await describe(version, opens, created, opener(opens.open));
  // What version 4 announces is what GnuPG 2.2 opens: the first form of the encrypted container alone.
  const said = [
    subpacket(9, number(YEARS, 4)),
    subpacket(27, [0x03]),
    subpacket(11, [AES256, AES128]),
    subpacket(21, [SHA512, SHA256]),
    subpacket(30, features),
  ];
  // RFC 9580 §10.1.1: in version 6 this stands over the key itself.
  const direct = version === 6 ? await signature(primary, 0x1f, primary.hashed, created, said) : [];
  const named = [];
  for (const [at, userId] of userIds(whose).entries()) {
    const octets = text.encode(userId);
    const about = bytes(primary.hashed, 0xb4, number(octets.length, 4), octets);
    const more = at === 0 ? [subpacket(25, [1])] : [];
    const bound = await signature(primary, 0x13, about, created, version === 6 ? more : [...said, ...more]);
    named.push(packet(TAG.userId, octets), bound);
  }
  const bound = await signature(primary, 0x18, bytes(primary.hashed, subkey.hashed), created, [subpacket(27, [0x0c])]);
  const revocation = await signature(primary, 0x20, primary.hashed, created, [subpacket(29, [0])]);
  const whole = (first, second) => bytes(first, direct, ...named, second, bound);
  const secrets = [
    packet(TAG.secretKey, await lock(TAG.secretKey, primary, signs.secret, passphrase)),
    packet(TAG.secretSubkey, await lock(TAG.secretSubkey, subkey, scalar(opens.secret), passphrase)),
  ];
  return {
    fingerprint: hex(primary.fingerprint),
    open: armor('PUBLIC KEY BLOCK', whole(packet(TAG.publicKey, primary.body), packet(TAG.publicSubkey, subkey.body))),
    secret: armor('PRIVATE KEY BLOCK', whole(...secrets)),
    revocation: armor('PUBLIC KEY BLOCK', revocation),
  };
}

function prepare(form) {
  const whose = JSON.parse(form.dataset.options);
  const part = (name) => form.querySelector(`[data-${name}]`);
  const [passphrase, again, begin] = ['passphrase', 'again', 'begin'].map(part);
  form.hidden = false;
  begin.addEventListener('click', async () => {
    const fits = passphrase.value === again.value && passphrase.value.length >= whose.passphrase_min;
    part('failed').hidden = fits;
    part('cannot').hidden = true;
    if (!fits) return;
    begin.disabled = true;
    try {
      const version = part('version').value === 'modern' ? 6 : 4;
      const made = await make(version, whose, passphrase.value);
      form.elements.keytext.value = made.open;
      form.elements.revocation.value = made.revocation;
      part('fingerprint').textContent = made.fingerprint.match(/.{4}/g).join(' ');
      part('file').href = URL.createObjectURL(new Blob([made.secret], { type: 'application/pgp-keys' }));
      part('file').download = `${whose.address}-${made.fingerprint}.asc`;
      part('made').hidden = false;
      begin.hidden = true;
    } catch {
      part('cannot').hidden = false;
      begin.disabled = false;
    }
  });
  // Nothing is shown to others before the secret half is saved.
  part('file').addEventListener('click', () => {
    part('publish').disabled = false;
  });
}

for (const form of document.querySelectorAll('form[data-key]')) if (window.crypto?.subtle) prepare(form);

for (const reader of document.querySelectorAll('[data-reader]')) {
  const file = reader.querySelector('[data-file-into]');
  reader.hidden = false;
  file.addEventListener('change', async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    const octets = new Uint8Array(await chosen.arrayBuffer());
    const isText = octets[0] < 0x80;
    document.getElementById(file.dataset.fileInto).value = isText
      ? new TextDecoder().decode(octets)
      : armor('PUBLIC KEY BLOCK', octets);
  });
}
