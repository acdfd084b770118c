// SPDX-License-Identifier: AGPL-3.0-or-later
// Once it is installed it asks, on its own page; nothing is done before somebody says so there.
browser.runtime.onInstalled.addListener(() => browser.runtime.openOptionsPage());
// The page asks to be gone, and the add-on with it.
browser.runtime.onMessage.addListener(async (message, sender) => {
  await browser.tabs.remove(sender.tab.id);
  await browser.management.uninstallSelf();
});
