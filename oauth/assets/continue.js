// SPDX-License-Identifier: AGPL-3.0-or-later
// Posts the one form of the page, or goes where its link leads; without scripts a person presses it.

document.querySelector('form[data-continue]')?.submit();
const link = document.querySelector('a[data-continue]');
if (link) setTimeout(() => location.assign(link.href), 1500);
