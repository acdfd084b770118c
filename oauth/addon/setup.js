// SPDX-License-Identifier: AGPL-3.0-or-later
// Says what would be added, adds it when told to, and takes the add-on away again.
const find = id => document.getElementById(id);
const text = (key, ...words) => browser.i18n.getMessage(key, words);
const account = await (await fetch("account.json")).json();

document.documentElement.lang = browser.i18n.getMessage("@@ui_locale").replace("_", "-");
document.title = text("title");
for (const element of document.querySelectorAll("[data-text]")) {
  element.textContent = text(element.dataset.text);
}
find("address").textContent = account.address;
find("incoming").textContent = text("server", account.host, `${account.imap}`);
find("outgoing").textContent = text("server", account.host, `${account.submission}`);

find("add").addEventListener("click", async () => {
  find("add").disabled = true;
  try {
    find("says").textContent = text((await browser.hearth.addAccount(account)) ? "done" : "there");
    find("add").hidden = true;
    find("remove").hidden = false;
    find("remove").focus();
  } catch (error) {
    find("says").textContent = text("failed", `${error.message ?? error}`);
    find("add").disabled = false;
  }
});
find("remove").addEventListener("click", () => browser.runtime.sendMessage("remove"));
