// SPDX-License-Identifier: AGPL-3.0-or-later
// Waits until the page of the add-on stands in a tab, and presses one of its buttons; what the page says then.
// A: [id of the button]
const [button] = A;
const tabmail = Services.wm.getMostRecentWindow("mail:3pane").document.getElementById("tabmail");
const browser = await until("the page", () => {
  const tab = tabmail.tabInfo.find(one => one.browser?.currentURI?.spec.endsWith("/setup.html"));
  return tab?.browser.browsingContext.currentWindowGlobal && tab.browser;
});
// The page lives in a process of its own.
const inside = script => {
  const options = { timeout: 10000, sandboxName: null, newSandbox: false, file: "", line: 0, async: false };
  return browser.browsingContext.currentWindowGlobal.getActor("MarionetteCommands").executeScript(script, [], options);
};
const find = `const button = document.getElementById(${JSON.stringify(button)});`;
await until("the button", () => inside(`${find} return !!button && !button.hidden && !button.disabled && !!document.title;`));
const shown = await inside("return document.querySelector('main').innerText;");
await inside(`${find} button.click();`);
if (button == "remove") {
  const { AddonManager } = ChromeUtils.importESModule("resource://gre/modules/AddonManager.sys.mjs");
  const isThere = async () => (await AddonManager.getAddonsByTypes(["extension"])).some(one => one.name.startsWith("Hearth"));
  await until("the end of it", async () => !(await isThere()));
  await until("the end of the page", () => !tabmail.tabInfo.some(one => one.browser?.currentURI?.spec.endsWith("/setup.html")));
  return { shown };
}
const says = await until("an answer", () => inside("return document.getElementById('says').textContent;"));
return { shown, says };
