// SPDX-License-Identifier: AGPL-3.0-or-later
//! UIDBATCHES (RFC 10022): the open mailbox in batches of equal size, the newest messages first.

use hearth_wire::imap::Charset;
use hearth_wire::imap::response::{Reply, encode_string};

use crate::ctx::Ctx;
use crate::fault::Outcome;
use crate::find::Place;
use crate::view::Line;

/// Tells where each batch begins and ends. Any size will do (RFC 10022 §3.1 lets a server ask for 500 or more).
pub async fn run(ctx: &mut Ctx, tag: &str, size: u32, window: Option<(u32, u32)>) -> Outcome {
    let place = Place::selected(ctx).await?;
    let mut out = b"* UIDBATCHES (TAG ".to_vec();
    encode_string(&mut out, tag.as_bytes(), Charset::Utf8);
    out.push(b')');
    for (at, (high, low)) in batches(place.told.lines(), size, window).into_iter().enumerate() {
        let separator = if at > 0 { "," } else { " " };
        let range = if high == low { high.to_string() } else { format!("{high}:{low}") };
        out.extend_from_slice(format!("{separator}{range}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// The highest and the lowest UID of each batch, the first batch being number 1.
fn batches(lines: &[Line], size: u32, window: Option<(u32, u32)>) -> Vec<(u32, u32)> {
    let (first, last) = window.unwrap_or((1, u32::MAX));
    let of = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    lines
        .rchunks(of(size).max(1))
        .skip(of(first.saturating_sub(1)))
        .take(of(last.saturating_sub(first).saturating_add(1)))
        .filter_map(|batch| Some((batch.last()?.uid, batch.first()?.uid)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_mailstore::{Entry, FlagSet};
    use hearth_types::MessageId;

    #[test]
    fn cut_from_the_newest() {
        let entry = |uid| Entry { uid, id: MessageId::from_i64(1), modseq: 1, flags: FlagSet::EMPTY };
        let snapshot = crate::view::Snapshot::new([2, 4, 6, 8, 9, 11, 20].map(entry).to_vec(), 1);
        let cut = |size, window| batches(snapshot.lines(), size, window);
        assert_eq!(cut(3, None), [(20, 9), (8, 4), (2, 2)]);
        assert_eq!(cut(7, None), [(20, 2)]);
        assert_eq!(cut(u32::MAX, None), [(20, 2)]);
        assert_eq!(cut(2, Some((2, 3))), [(9, 8), (6, 4)]);
        assert_eq!(cut(2, Some((4, 9))), [(2, 2)]);
        assert_eq!(cut(2, Some((5, 9))), []);
        assert_eq!(batches(&[], 3, None), []);
    }
}
