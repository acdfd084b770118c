// SPDX-License-Identifier: AGPL-3.0-or-later
//! The body of a message as JMAP shows it (RFC 8621 §4.1.4): which of its parts are the text. Pure.
//!
//! Parts come from `hearth_wire::message`, which bounds their number and depth; the message inside a
//! message/rfc822 part is not looked into.

use hearth_wire::message::Part;

/// RFC 8621 §4.1.4 `type`: lower case, without parameters.
pub fn media_type(part: &Part) -> String {
    part.mime_type()
}

/// RFC 8621 §4.1.4 `disposition`, lower case.
pub fn disposition(part: &Part) -> Option<&str> {
    part.disposition.as_ref().map(|disposition| disposition.kind.as_str())
}

/// RFC 8621 §4.1.4 `charset`: the implicit one of `text/*` is us-ascii.
pub fn charset(part: &Part) -> Option<&str> {
    part.charset().or((part.kind == "text").then_some("us-ascii"))
}

/// RFC 8621 §4.1.4 `partId`: the IMAP number; none for a multipart.
pub fn part_id(part: &Part) -> Option<&str> {
    (!part.is_multipart()).then_some(part.number.as_str())
}

/// What JMAP calls `subParts`.
pub fn sub_parts(part: &Part) -> &[Part] {
    if part.is_multipart() { &part.parts } else { &[] }
}

/// The leaf with that id.
pub fn find_part<'p>(root: &'p Part, id: &str) -> Option<&'p Part> {
    root.leaves().into_iter().find(|part| part.number == id)
}

/// `textBody`, `htmlBody` and `attachments`.
#[derive(Debug, Default)]
pub struct Views<'p> {
    /// What to show to one who prefers plain text.
    pub text: Vec<&'p Part>,
    /// What to show to one who prefers HTML.
    pub html: Vec<&'p Part>,
    /// All else.
    pub attachments: Vec<&'p Part>,
}

/// RFC 8621 §4.1.4, the algorithm at its end.
pub fn views<'p>(root: &'p Part) -> Views<'p> {
    let mut views = Views::default();
    sort_parts(
        std::slice::from_ref(root),
        &Within { multipart: "mixed", in_alternative: false },
        Wanted { text: true, html: true },
        &mut views,
    );
    views
}

struct Within<'a> {
    multipart: &'a str,
    in_alternative: bool,
}

/// Which of the two bodies still takes parts (the RFC sets the other to null).
#[derive(Clone, Copy)]
struct Wanted {
    text: bool,
    html: bool,
}

fn is_inline_media(part: &Part) -> bool {
    matches!(part.kind.as_str(), "image" | "audio" | "video")
}

fn is_text(part: &Part, subtype: &str) -> bool {
    part.kind == "text" && part.subtype == subtype
}

fn is_inline(part: &Part, index: usize, multipart: &str) -> bool {
    disposition(part) != Some("attachment")
        && (is_text(part, "plain") || is_text(part, "html") || is_inline_media(part))
        // Only the first part of multipart/related is text; a named text that is not first is an attachment.
        && (index == 0 || (multipart != "related" && (is_inline_media(part) || part.file_name().is_none())))
}

fn sort_parts<'p>(parts: &'p [Part], within: &Within<'_>, mut wanted: Wanted, views: &mut Views<'p>) {
    let (text_before, html_before) = (views.text.len(), views.html.len());
    for (index, part) in parts.iter().enumerate() {
        if part.is_multipart() {
            let multipart = part.subtype.as_str();
            let in_alternative = within.in_alternative || multipart == "alternative";
            sort_parts(&part.parts, &Within { multipart, in_alternative }, wanted, views);
        } else if !is_inline(part, index, within.multipart) {
            views.attachments.push(part);
        } else if within.multipart == "alternative" {
            match part.mime_type().as_str() {
                "text/plain" if wanted.text => views.text.push(part),
                "text/html" if wanted.html => views.html.push(part),
                "text/plain" | "text/html" => {}
                _ => views.attachments.push(part),
            }
        } else {
            if within.in_alternative {
                wanted.html &= !is_text(part, "plain");
                wanted.text &= !is_text(part, "html");
            }
            if wanted.text {
                views.text.push(part);
            }
            if wanted.html {
                views.html.push(part);
            }
            if !(wanted.text && wanted.html) && is_inline_media(part) {
                views.attachments.push(part);
            }
        }
    }
    if within.multipart == "alternative" && wanted.text && wanted.html {
        fill_missing(views, text_before, html_before);
    }
}

/// An alternative that came in one form only stands in both bodies.
fn fill_missing(views: &mut Views<'_>, text_before: usize, html_before: usize) {
    let (text_after, html_after) = (views.text.len(), views.html.len());
    if text_before == text_after && html_before != html_after {
        let found: Vec<_> = views.html.iter().skip(html_before).copied().collect();
        views.text.extend(found);
    } else if html_before == html_after && text_before != text_after {
        let found: Vec<_> = views.text.iter().skip(text_before).copied().collect();
        views.html.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_wire::message::Disposition;

    fn leaf(id: &str, media_type: &str, kind: Option<&str>, name: Option<&str>) -> Part {
        let (main, subtype) = media_type.split_once('/').expect("a media type");
        Part {
            number: id.into(),
            kind: main.into(),
            subtype: subtype.into(),
            parameters: name.map(|name| ("name".into(), name.into())).into_iter().collect(),
            disposition: kind.map(|kind| Disposition { kind: kind.into(), parameters: Vec::new() }),
            ..Part::default()
        }
    }

    fn multipart(kind: &str, parts: Vec<Part>) -> Part {
        Part { parts, ..leaf("", &format!("multipart/{kind}"), None, None) }
    }

    fn ids(root: &Part) -> [String; 3] {
        let views = views(root);
        [&views.text, &views.html, &views.attachments]
            .map(|parts| parts.iter().map(|part| part_id(part).expect("a leaf")).collect::<Vec<_>>().concat())
    }

    #[test]
    fn the_example_of_rfc_8621_section_4_1_4() {
        let root = multipart(
            "mixed",
            vec![
                leaf("A", "text/plain", Some("inline"), None),
                multipart(
                    "mixed",
                    vec![
                        multipart(
                            "alternative",
                            vec![
                                multipart(
                                    "mixed",
                                    vec![
                                        leaf("B", "text/plain", Some("inline"), None),
                                        leaf("C", "image/jpeg", Some("inline"), None),
                                        leaf("D", "text/plain", Some("inline"), None),
                                    ],
                                ),
                                multipart("related", vec![leaf("E", "text/html", None, None), leaf("F", "image/jpeg", None, None)]),
                            ],
                        ),
                        leaf("G", "image/jpeg", Some("attachment"), None),
                        leaf("H", "application/x-excel", None, None),
                        leaf("J", "message/rfc822", None, None),
                    ],
                ),
                leaf("K", "text/plain", Some("inline"), None),
            ],
        );
        assert_eq!(ids(&root), ["ABCDK", "AEK", "CFGHJ"]);
    }

    #[test]
    fn single_parts_stand_in_both_bodies() {
        assert_eq!(ids(&leaf("A", "text/plain", None, None)), ["A", "A", ""]);
        assert_eq!(ids(&leaf("A", "text/html", None, None)), ["A", "A", ""]);
        assert_eq!(ids(&leaf("A", "image/png", None, None)), ["A", "A", ""]);
        assert_eq!(ids(&leaf("A", "application/pdf", None, None)), ["", "", "A"]);
        assert_eq!(ids(&multipart("alternative", vec![leaf("A", "text/html", None, None)])), ["A", "A", ""]);
    }

    #[test]
    fn a_named_text_that_is_not_first_is_an_attachment() {
        let root =
            multipart("mixed", vec![leaf("A", "text/plain", None, Some("a.txt")), leaf("B", "text/plain", None, Some("b.txt"))]);
        assert_eq!(ids(&root), ["A", "A", "B"]);
    }

    #[test]
    fn an_inner_message_is_a_leaf() {
        let inner = Part { parts: vec![leaf("2.1", "text/plain", None, None)], ..leaf("2", "message/rfc822", None, None) };
        let root = multipart("mixed", vec![leaf("1", "text/plain", None, None), inner]);
        assert_eq!(ids(&root), ["1", "1", "2"]);
        assert!(find_part(&root, "2").is_some_and(|part| sub_parts(part).is_empty()));
        assert!(find_part(&root, "2.1").is_none());
        assert_eq!((part_id(&root), sub_parts(&root).len()), (None, 2));
        assert_eq!(charset(&leaf("1", "text/plain", None, None)), Some("us-ascii"));
    }
}
