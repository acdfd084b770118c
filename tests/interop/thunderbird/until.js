// SPDX-License-Identifier: AGPL-3.0-or-later
// Stands before every script.
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

async function until(what, look) {
  for (let turn = 0; turn < 300; turn++) {
    const seen = await look(turn);
    if (seen) {
      return seen;
    }
    await pause(100);
  }
  throw new Error(`${what}: not within half a minute`);
}
