// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail in and read, by programs that we did not write: swaks, curl, mbsync, neomutt.
