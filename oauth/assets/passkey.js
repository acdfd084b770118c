// SPDX-License-Identifier: AGPL-3.0-or-later
// Passkeys: the one thing of these pages that a form alone cannot do. A form with `data-passkey` is
// shown when the browser can; what the device says goes into its field `credential`, and it is posted.

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const toOctets = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));

function post(form, { rawId, response }) {
  const said = { id: toText(rawId), client_data: toText(response.clientDataJSON) };
  if (response.attestationObject) {
    said.attestation = toText(response.attestationObject);
  } else {
    said.authenticator_data = toText(response.authenticatorData);
    said.signature = toText(response.signature);
    if (response.userHandle) said.user_handle = toText(response.userHandle);
  }
  form.elements.credential.value = JSON.stringify(said);
  form.submit();
}

function make({ challenge, rp, home, user, address, name, known }) {
  return navigator.credentials.create({
    publicKey: {
      challenge: toOctets(challenge),
      rp: { id: rp, name: home },
      user: { id: toOctets(user), name: address, displayName: name },
      pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'preferred' },
      excludeCredentials: known.map((id) => ({ type: 'public-key', id: toOctets(id) })),
      attestation: 'none',
    },
  });
}

let waiting;
function ask({ challenge, rp, known }, mediation) {
  waiting?.abort();
  waiting = new AbortController();
  return navigator.credentials.get({
    mediation,
    signal: waiting.signal,
    publicKey: {
      challenge: toOctets(challenge),
      rpId: rp,
      userVerification: 'preferred',
      allowCredentials: known.map((id) => ({ type: 'public-key', id: toOctets(id) })),
    },
  });
}

async function prepare(form) {
  const options = JSON.parse(form.dataset.options);
  const makes = form.dataset.passkey === 'make';
  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const failed = form.querySelector('[data-failed]');
    const known = form.querySelector('[data-known]') ?? failed;
    failed.hidden = known.hidden = true;
    try {
      post(form, await (makes ? make(options) : ask(options, 'optional')));
    } catch (error) {
      // WebAuthn §5.1.3: one of `excludeCredentials` is in this device.
      (makes && error.name === 'InvalidStateError' ? known : failed).hidden = false;
    }
  });
  if (form.dataset.passkey === 'ask' && (await PublicKeyCredential.isConditionalMediationAvailable?.())) {
    ask(options, 'conditional').then((credential) => post(form, credential), () => {});
  }
}

if (window.PublicKeyCredential) document.querySelectorAll('form[data-passkey]').forEach(prepare);
