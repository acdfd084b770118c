// SPDX-License-Identifier: AGPL-3.0-or-later
// A browser that does what it is told: STEPS is a JSON list of [verb, ...words]. What `read` saw is printed as one JSON list.

import { chromium } from 'playwright-core';

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors'],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
page.setDefaultTimeout(30000);
let status = 0;
page.on('response', (response) => { if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) status = response.status(); });
const seen = [];

const verbs = {
  go: (url) => page.goto(url),
  async signIn(person, password) {
    await page.locator('#password').waitFor();
    const name = page.locator('#username');
    if (await name.isVisible()) await name.fill(person);
    await page.locator('#password').fill(password);
    await page.locator('form[action="/sign-in"] button').first().click();
  },
  allow: () => page.getByRole('button', { name: 'Allow' }).click(),
  click: (selector) => page.locator(selector).first().click(),
  fill: (selector, text) => page.locator(selector).first().fill(text),
  wait: (pattern) => page.waitForURL(new RegExp(pattern)),
  see: (text) => page.getByText(text).first().waitFor(),
  // Asks again and again until the browser ends up where it should.
  async until(url, pattern) {
    for (let left = 60; left > 0; left -= 1) {
      await page.goto(url);
      if (new RegExp(pattern).test(page.url())) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`${url} never leads to ${pattern}`);
  },
  // What a browser sends that somebody has in hand.
  send: (fields) => page.setExtraHTTPHeaders(fields),
  cookie: (url, name, value) => context.addCookies([{ url, name, value }]),
  forget: () => context.clearCookies(),
  async read() { seen.push({ url: page.url(), status, text: await page.locator('body').innerText() }); },
};

try {
  for (const [verb, ...words] of JSON.parse(process.env.STEPS)) await verbs[verb](...words);
} catch (error) {
  console.error(String(error), page.url(), await page.locator('body').innerText().catch(() => ''));
  process.exit(1);
}
await browser.close();
console.log(JSON.stringify(seen));
process.exit(0);
