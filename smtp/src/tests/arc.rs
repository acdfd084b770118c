// SPDX-License-Identifier: AGPL-3.0-or-later
//! The cases of the ARC test suite, through the checks as port 25 runs them.
//!
//! The suite (`manifest.txt` of <https://github.com/ValiMail/arc_test_suite>) names each case and what a validator has to
//! say to it. It has no licence, so its mails are not here: each case is made anew by its name, with a key of this run.
//! A defect is there before the signing, so that it alone is what is wrong, unless it is that something was changed behind.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mail_auth::common::crypto::{RsaKey, Sha256};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::vectors::{Zone, findings, serve, text};
use crate::inbound::check::Finding;

const HEAD: &str = "MIME-Version: 1.0\r\nReceived: from there by here; Sun, 22 Nov 2026 17:00:00 +0000\r\n\
    Message-ID: <1@author.example>\r\nDate: Sun, 22 Nov 2026 17:00:00 +0000\r\nFrom: Carol <carol@author.example>\r\n\
    To: list@example.org\r\nSubject: A  subject\r\n folded\r\n";
const BODY: &str = "Hello everybody,\r\nthis  is a mail. \r\n\r\n\r\n";

/// One set, newest field last; `{b}` and `{bh}` are filled in when it is signed.
#[derive(Clone)]
struct Set {
    aar: String,
    ams: String,
    seal: String,
    /// It was made when the mail still had this subject.
    subject: Option<&'static str>,
}

/// A mail and what sealed it.
#[derive(Clone)]
struct Chain {
    sets: Vec<Set>,
    head: String,
    body: String,
}

impl Chain {
    fn new(sets: usize) -> Self {
        let set = |n: usize| Set {
            aar: format!("i={n}; lists.example.org; spf=pass smtp.mailfrom=carol@author.example; dmarc=pass"),
            ams: format!(
                "a=rsa-sha256; b={{b}}; bh={{bh}}; c=relaxed/relaxed; d=example.org; h=from:to:date:subject:mime-version; i={n}; s=key; t=12345"
            ),
            seal: format!(
                "a=rsa-sha256; b={{b}}; cv={}; d=example.org; i={n}; s=key; t=12345",
                if n == 1 { "none" } else { "pass" }
            ),
            subject: None,
        };
        Self { sets: (1..=sets).map(set).collect(), head: HEAD.to_string(), body: BODY.to_string() }
    }

    fn sign(&mut self, key: &KeyPair) {
        let mut sealed = Vec::new();
        for set in &mut self.sets {
            let head = set.subject.map_or(self.head.clone(), |subject| self.head.replace("A  subject", subject));
            let bh = BASE64_STANDARD.encode(digest(&SHA256, &body(&self.body, &tag(&set.ams, "c"))));
            set.ams = set.ams.replace("{bh}", &bh);
            let mut input = covered(&head, &tag(&set.ams, "h"));
            input.extend(relaxed("ARC-Message-Signature", &without_b(&set.ams)).trim_end().bytes());
            set.ams = set.ams.replace("{b}", &signature(key, &input));
            sealed.extend(relaxed("ARC-Authentication-Results", &set.aar).bytes());
            sealed.extend(relaxed("ARC-Message-Signature", &set.ams).bytes());
            let mut input = sealed.clone();
            input.extend(relaxed("ARC-Seal", &without_b(&set.seal)).trim_end().bytes());
            set.seal = set.seal.replace("{b}", &signature(key, &input));
            sealed.extend(relaxed("ARC-Seal", &set.seal).bytes());
        }
    }

    fn to_mail(&self) -> Vec<u8> {
        let mut mail = String::new();
        for set in self.sets.iter().rev() {
            for (name, value) in
                [("ARC-Seal", &set.seal), ("ARC-Message-Signature", &set.ams), ("ARC-Authentication-Results", &set.aar)]
            {
                if !value.is_empty() {
                    mail.push_str(&format!("{name}: {value}\r\n"));
                }
            }
        }
        format!("{mail}{}\r\n{}", self.head, self.body).into_bytes()
    }
}

fn signature(key: &KeyPair, input: &[u8]) -> String {
    let mut made = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut made).expect("signed");
    BASE64_STANDARD.encode(made)
}

/// RFC 6376 §3.4.2.
fn relaxed(name: &str, value: &str) -> String {
    format!("{}:{}\r\n", name.trim().to_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// RFC 6376 §3.4.3, §3.4.4.
fn body(text: &str, canonicalization: &str) -> Vec<u8> {
    let squeeze = |line: &str| {
        let squeezed = line.replace('\t', " ").split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        if line.starts_with(' ') { format!(" {squeezed}") } else { squeezed }
    };
    let is_simple = canonicalization.split_once('/').is_some_and(|(_, body)| body == "simple");
    let lines = text.split("\r\n").map(|line| if is_simple { line.to_string() } else { squeeze(line) });
    let text = lines.collect::<Vec<_>>().join("\r\n");
    let text = text.trim_end_matches("\r\n");
    if text.is_empty() { Vec::new() } else { format!("{text}\r\n").into_bytes() }
}

/// The fields that `h=` names, the last of a name first (RFC 6376 §5.4.2).
fn covered(head: &str, names: &str) -> Vec<u8> {
    let unfolded = head.replace("\r\n ", " ");
    let mut fields: Vec<(String, &str)> =
        unfolded.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim().to_lowercase(), value)).collect();
    let mut covered = String::new();
    for name in names.split(':').map(|name| name.trim().to_lowercase()) {
        if let Some(at) = fields.iter().rposition(|field| field.0 == name) {
            let (name, value) = fields.remove(at);
            covered.push_str(&relaxed(&name, value));
        }
    }
    covered.into_bytes()
}

fn tag(value: &str, name: &str) -> String {
    let tags = value.split(';').filter_map(|tag| tag.split_once('='));
    tags.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string()).next_back().unwrap_or_default()
}

/// RFC 6376 §3.7: the value of `b=` is taken out.
fn without_b(value: &str) -> String {
    let emptied = value.split(';').map(|tag| match tag.split_once('=') {
        Some((key, _)) if key.trim() == "b" => format!("{key}="),
        _ => tag.to_string(),
    });
    emptied.collect::<Vec<_>>().join(";")
}

/// Replaces what must be there.
fn swap(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "{from:?} is not in {text:?}");
    *text = text.replacen(from, to, 1);
}

/// Another signature of the same length.
fn spoil(value: &mut String, name: &str) {
    let old = tag(value, name);
    let spoilt: String = old.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).take(20).chain(old.chars().skip(20)).collect();
    swap(value, &old, &spoilt);
}

type Edit = fn(&mut Chain);

/// (name, does the chain hold, sets, what is other before it is signed, and after)
type Case = (&'static str, bool, usize, Edit, Edit);

const SAME: Edit = |_| {};

/// Cases of one kind of field; `$field` is of the first set.
macro_rules! of_field {
    ($field:ident: $($name:literal $passes:literal $before:expr, $after:expr;)*) => {
        &[$(($name, $passes, 1,
            |chain| { let edit: fn(&mut String) = $before; edit(&mut chain.sets[0].$field) },
            |chain| { let edit: fn(&mut String) = $after; edit(&mut chain.sets[0].$field) })),*]
    };
}

const CHAIN: &[Case] = &[
    ("cv_pass_i1_1", true, 1, SAME, SAME),
    ("cv_pass_i2_1", true, 2, SAME, SAME),
    ("cv_pass_i2_1_ams1_invalid", true, 2, |c| c.sets[0].subject = Some("An older subject"), SAME),
    ("cv_pass_i3_1", true, 3, SAME, SAME),
    ("cv_pass_i4_1", true, 4, SAME, SAME),
    ("cv_pass_i5_1", true, 5, SAME, SAME),
    ("cv_fail_i1_ams_na", false, 1, SAME, |c| c.sets[0].ams.clear()),
    ("cv_fail_i1_ams_invalid", false, 1, |c| c.sets[0].subject = Some("Another subject"), SAME),
    ("cv_fail_i1_as_na", false, 1, SAME, |c| c.sets[0].seal.clear()),
    ("cv_fail_i1_as_pass", false, 1, |c| swap(&mut c.sets[0].seal, "cv=none", "cv=pass"), SAME),
    ("cv_fail_i1_as_fail", false, 1, |c| swap(&mut c.sets[0].seal, "cv=none", "cv=fail"), SAME),
    ("cv_fail_i1_as_invalid", false, 1, SAME, |c| spoil(&mut c.sets[0].seal, "b")),
    ("cv_fail_i2_ams_na", false, 2, SAME, |c| c.sets[1].ams.clear()),
    ("cv_fail_i2_ams_invalid", false, 2, |c| c.sets[1].subject = Some("Another subject"), SAME),
    ("cv_fail_i2_as1_na", false, 2, SAME, |c| c.sets[0].seal.clear()),
    ("cv_fail_i2_as1_invalid", false, 2, SAME, |c| spoil(&mut c.sets[0].seal, "b")),
    ("cv_fail_i2_as1_pass", false, 2, |c| swap(&mut c.sets[0].seal, "cv=none", "cv=pass"), SAME),
    ("cv_fail_i2_as1_fail", false, 2, |c| swap(&mut c.sets[0].seal, "cv=none", "cv=fail"), SAME),
    ("cv_fail_i2_as2_na", false, 2, SAME, |c| c.sets[1].seal.clear()),
    ("cv_fail_i2_as2_invalid", false, 2, SAME, |c| spoil(&mut c.sets[1].seal, "b")),
    ("cv_fail_i2_as2_none", false, 2, |c| swap(&mut c.sets[1].seal, "cv=pass", "cv=none"), SAME),
    ("cv_fail_i2_as2_fail", false, 2, |c| swap(&mut c.sets[1].seal, "cv=pass", "cv=fail"), SAME),
    ("aar_missing", false, 1, SAME, |c| c.sets[0].aar.clear()),
    ("aar_i_missing", false, 1, |c| swap(&mut c.sets[0].aar, "i=1; ", ""), SAME),
    ("aar_i_wrong", false, 1, |c| swap(&mut c.sets[0].aar, "i=1", "i=2"), SAME),
    ("aar_i_not_prefix", false, 1, |c| c.sets[0].aar = "lists.example.org; i=1; spf=pass smtp.mailfrom=a@b.example".into(), SAME),
    ("aar_i_no_semi", false, 1, |c| swap(&mut c.sets[0].aar, "i=1;", "i=1"), SAME),
    ("aar2_missing", false, 2, SAME, |c| c.sets[1].aar.clear()),
    ("arc_set_duplicate", false, 1, SAME, |c| c.sets.push(c.sets[0].clone())),
    ("as_fields_i_dup", false, 1, SAME, |c| {
        c.sets.push(Set { aar: String::new(), ams: String::new(), ..c.sets[0].clone() });
    }),
    ("as_fields_i_dup2", false, 2, SAME, |c| {
        c.sets.push(Set { aar: String::new(), ams: String::new(), ..c.sets[1].clone() });
    }),
    ("ams_fields_i_dup", false, 1, SAME, |c| {
        c.sets.push(Set { aar: String::new(), seal: String::new(), ..c.sets[0].clone() });
    }),
    ("public_key_na", false, 1, |c| swap(&mut c.sets[0].seal, "s=key", "s=none"), SAME),
    ("public_key_invalid", false, 1, |c| swap(&mut c.sets[0].seal, "s=key", "s=bad"), SAME),
    ("as_fields_b_aar1", false, 1, SAME, |c| swap(&mut c.sets[0].aar, "dmarc=pass", "dmarc=fail")),
    ("as_fields_b_ams1", false, 1, SAME, |c| swap(&mut c.sets[0].ams, "t=12345", "t=12346")),
    ("as_fields_b_asb1", false, 2, SAME, |c| swap(&mut c.sets[0].seal, "t=12345", "t=12346")),
    ("ams_fields_b_mod_headers", false, 1, SAME, |c| swap(&mut c.head, "Carol", "Eve")),
    ("ams_fields_b_head_case", true, 1, SAME, |c| swap(&mut c.head, "Subject:", "sUBJECT:")),
    ("ams_fields_b_head_unfold", true, 1, SAME, |c| swap(&mut c.head, "\r\n folded", " folded")),
    ("ams_fields_b_eol_wsp", true, 1, SAME, |c| swap(&mut c.head, "folded", "folded  \t")),
    ("ams_fields_b_inl_wsp", true, 1, SAME, |c| swap(&mut c.head, "A  subject", "A \t subject")),
    ("ams_fields_b_col_wsp", true, 1, SAME, |c| swap(&mut c.head, "Subject: ", "Subject  :   ")),
    ("ams_fields_bh_mod_bod", false, 1, SAME, |c| swap(&mut c.body, "everybody", "nobody")),
    ("ams_fields_bh_rel_eol_wsp", true, 1, SAME, |c| swap(&mut c.body, "everybody,", "everybody, \t")),
    ("ams_fields_bh_rel_inl_wsp", true, 1, SAME, |c| swap(&mut c.body, "this  is", "this \t is")),
    ("ams_fields_bh_rel_end_lines", true, 1, SAME, |c| c.body.push_str("\r\n\r\n")),
    ("ams_fields_bh_rel_trail_crlf", true, 1, SAME, |c| c.body = c.body.trim_end_matches("\r\n").to_string()),
    ("ams_fields_bh_sim_base", true, 1, |c| swap(&mut c.sets[0].ams, "relaxed/relaxed", "relaxed/simple"), SAME),
    (
        "ams_fields_bh_sim_inl_wsp",
        false,
        1,
        |c| swap(&mut c.sets[0].ams, "relaxed/relaxed", "relaxed/simple"),
        |c| {
            swap(&mut c.body, "this  is", "this is");
        },
    ),
    (
        "ams_fields_bh_sim_end_lines",
        true,
        1,
        |c| swap(&mut c.sets[0].ams, "relaxed/relaxed", "relaxed/simple"),
        |c| {
            c.body.push_str("\r\n\r\n");
        },
    ),
    (
        "ams_fields_h_dup1",
        true,
        1,
        |c| {
            c.head.insert_str(0, "To: another@example.org\r\n");
            swap(&mut c.sets[0].ams, "h=from:to", "h=from:to:to");
        },
        SAME,
    ),
    (
        "ams_fields_h_dup2",
        false,
        1,
        |c| {
            c.head.insert_str(0, "To: another@example.org\r\n");
            swap(&mut c.sets[0].ams, "h=from:to", "h=from:to:to");
        },
        |c| {
            c.head = format!(
                "To: list@example.org\r\n{}",
                c.head.replacen("To: another@example.org\r\n", "", 1).replacen(
                    "To: list@example.org",
                    "To: another@example.org",
                    1
                )
            )
        },
    ),
    (
        "ams_fields_h_empty_added",
        false,
        1,
        |c| swap(&mut c.sets[0].ams, "mime-version", "mime-version:reply-to"),
        |c| {
            c.head.push_str("Reply-To: eve@example.org\r\n");
        },
    ),
];

const SEAL: &[Case] = of_field! { seal:
    "as_format_sc_wsp" true |s| *s = s.replace("; ", "  ;  "), |_| {};
    "as_format_eq_wsp" true |s| swap(s, "d=example.org", "d  =  example.org"), |_| {};
    "as_format_tags_trail_sc" true |s| s.push(';'), |_| {};
    "as_format_tags_unknown" true |s| s.push_str("; w=catparty"), |_| {};
    "as_format_inv_tag_key" false |s| s.push_str("; _=catparty"), |_| {};
    "as_format_tags_dup" false |s| s.push_str("; s=key"), |_| {};
    "as_format_tags_key_case" false |_| {}, |s| swap(s, "d=", "D=");
    "as_format_tags_val_case" false |_| {}, |s| swap(s, "d=example.org", "d=eXample.org");
    "as_format_tags_wsp" false |_| {}, |s| swap(s, "example.org", "example. org");
    "as_format_tags_sc" false |_| {}, |s| swap(s, "d=exam", "d=ex;am");
    "as_fields_i_missing" false |s| swap(s, "i=1; ", ""), |_| {};
    "as_fields_i_malformed1" false |s| swap(s, "i=1", "i=0"), |_| {};
    "as_fields_i_malformed2" false |s| swap(s, "i=1", "i=a"), |_| {};
    "as_fields_a_na" false |s| swap(s, "a=rsa-sha256; ", ""), |_| {};
    "as_fields_a_empty" false |s| swap(s, "a=rsa-sha256", "a="), |_| {};
    "as_fields_a_unknown" false |s| swap(s, "a=rsa-sha256", "a=poo"), |_| {};
    "as_fields_b_ignores_wsp" true |_| {}, |s| { let b = tag(s, "b"); swap(s, &b, &format!("{}\r\n \t {}", &b[..40], &b[40..])) };
    "as_fields_b_na" false |s| swap(s, "b={b}; ", ""), |_| {};
    "as_fields_b_empty" false |s| swap(s, "{b}", ""), |_| {};
    "as_fields_b_base64" false |_| {}, |s| { let b = tag(s, "b"); swap(s, &b, &b.replacen(&b[..2], "&!", 1)) };
    "as_fields_b_mod_sig" false |_| {}, |s| spoil(s, "b");
    "as_fields_cv_na" false |s| swap(s, "cv=none; ", ""), |_| {};
    "as_fields_cv_empty" false |s| swap(s, "cv=none", "cv="), |_| {};
    "as_fields_cv_invalid" false |s| swap(s, "cv=none", "cv=poo"), |_| {};
    "as_fields_d_na" false |s| swap(s, "d=example.org; ", ""), |_| {};
    "as_fields_d_empty" false |s| swap(s, "d=example.org", "d="), |_| {};
    "as_fields_d_invalid" false |s| swap(s, "d=example.org", "d=^^"), |_| {};
    "as_fields_s_na" false |s| swap(s, "s=key; ", ""), |_| {};
    "as_fields_s_empty" false |s| swap(s, "s=key", "s="), |_| {};
    "as_fields_t_na" true |s| swap(s, "; t=12345", ""), |_| {};
    "as_fields_t_empty" false |s| swap(s, "t=12345", "t="), |_| {};
    "as_fields_t_invalid" false |s| swap(s, "t=12345", "t=poo"), |_| {};
};

const MESSAGE_SIGNATURE: &[Case] = of_field! { ams:
    "ams_format_sc_wsp" true |s| *s = s.replace("; ", "  ;  "), |_| {};
    "ams_format_eq_wsp" true |s| swap(s, "d=example.org", "d  =  example.org"), |_| {};
    "ams_format_tags_trail_sc" true |s| s.push(';'), |_| {};
    "ams_format_tags_unknown" true |s| s.push_str("; w=catparty"), |_| {};
    "ams_format_inv_tag_key" false |s| s.push_str("; _=catparty"), |_| {};
    "ams_format_tags_dup" false |s| s.push_str("; s=key"), |_| {};
    "ams_format_tags_key_case" false |_| {}, |s| swap(s, "d=", "D=");
    "ams_format_tags_val_case" false |_| {}, |s| swap(s, "d=example.org", "d=eXample.org");
    "ams_format_tags_wsp" false |_| {}, |s| swap(s, "example.org", "example. org");
    "ams_format_tags_sc" false |_| {}, |s| swap(s, "d=exam", "d=ex;am");
    "ams_fields_a_na" false |s| swap(s, "a=rsa-sha256; ", ""), |_| {};
    "ams_fields_a_empty" false |s| swap(s, "a=rsa-sha256", "a="), |_| {};
    "ams_fields_a_unknown" false |s| swap(s, "a=rsa-sha256", "a=poo"), |_| {};
    "ams_fields_b_na" false |s| swap(s, "b={b}; ", ""), |_| {};
    "ams_fields_b_empty" false |s| swap(s, "{b}", ""), |_| {};
    "ams_fields_b_base64" false |s| swap(s, "{b}", "&!{b}"), |_| {};
    "ams_fields_b_mod_sig" false |s| swap(s, "{b}", "AAAA{b}"), |_| {};
    "ams_fields_bh_na" false |s| swap(s, "bh={bh}; ", ""), |_| {};
    "ams_fields_bh_empty" false |s| swap(s, "{bh}", ""), |_| {};
    "ams_fields_bh_base64" false |s| swap(s, "{bh}", "&!"), |_| {};
    "ams_fields_bh_mod_sig" false |s| swap(s, "{bh}", "KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ="), |_| {};
    "ams_fields_c_invalid" false |s| swap(s, "c=relaxed/relaxed", "c=poo"), |_| {};
    "ams_fields_d_na" false |s| swap(s, "d=example.org; ", ""), |_| {};
    "ams_fields_d_empty" false |s| swap(s, "d=example.org", "d="), |_| {};
    "ams_fields_d_invalid" false |s| swap(s, "d=example.org", "d=^^"), |_| {};
    "ams_fields_h_na" false |s| swap(s, "h=from:to:date:subject:mime-version; ", ""), |_| {};
    "ams_fields_h_cws1" true |s| swap(s, "h=from:to", "h=from :to"), |_| {};
    "ams_fields_h_cws2" true |s| swap(s, "h=from:to", "h=from : to"), |_| {};
    "ams_fields_h_case" true |s| swap(s, "h=from:to", "h=From:TO"), |_| {};
    "ams_fields_h_non_existant" true |s| swap(s, "mime-version", "mime-version:poo"), |_| {};
    "ams_fields_h_non_existant_dup" true |s| swap(s, "mime-version", "mime-version:poo:poo"), |_| {};
    "ams_fields_h_mis_hdr" true |s| swap(s, ":mime-version", ""), |_| {};
    "ams_fields_h_order" false |_| {}, |s| swap(s, "from:to", "to:from");
    "ams_fields_h_includes_as" false |s| swap(s, "mime-version", "mime-version:arc-seal"), |_| {};
    "ams_fields_s_na" false |s| swap(s, "s=key; ", ""), |_| {};
    "ams_fields_s_empty" false |s| swap(s, "s=key", "s="), |_| {};
    "ams_fields_t_na" true |s| swap(s, "; t=12345", ""), |_| {};
    "ams_fields_t_empty" false |s| swap(s, "t=12345", "t="), |_| {};
    "ams_fields_t_invalid" false |s| swap(s, "t=12345", "t=poo"), |_| {};
};

/// Cases that come out otherwise, because of how mail-auth 0.13.3 reads: (why, their names).
/// All but one are lenient towards what the sealer itself wrote and signed; nobody else can write it.
const DIFFERS: &[(&str, &[&str])] = &[
    ("Without a= it takes rsa-sha256.", &["as_fields_a_na", "ams_fields_a_na"]),
    (
        "A t= that is no number is none.",
        &["as_fields_t_empty", "as_fields_t_invalid", "ams_fields_t_empty", "ams_fields_t_invalid"],
    ),
    ("A tag that no tag can be called is passed over as unknown.", &["as_format_inv_tag_key", "ams_format_inv_tag_key"]),
    ("Of a tag that is there twice the last counts.", &["as_format_tags_dup", "ams_format_tags_dup"]),
    ("Whitespace before the colon of a field (RFC 5322 §4.5, obsolete) breaks a signature.", &["ams_fields_b_col_wsp"]),
];

/// Cases of the manifest that are not made: a key of 512 bits and SHA-1 are refused since RFC 8301; that `c=` is there and
/// relaxed, and that `h=` names something, was a rule of the draft which RFC 8617 does not have.
const NOT_MADE: [&str; 11] = [
    "as_fields_a_sha1",
    "as_fields_b_512",
    "ams_fields_a_sha1",
    "ams_fields_c_na",
    "ams_fields_c_empty",
    "ams_fields_c_ss",
    "ams_fields_c_sr",
    "ams_fields_c_rs",
    "ams_fields_h_empty",
    "ams_fields_h_inv_hdr",
    "ams_fields_h_includes_ams",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_arc_suite() {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = key.as_der().expect("encoded");
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_ref().to_vec()));
    let public = BASE64_STANDARD.encode(RsaKey::<Sha256>::from_key_der(der).expect("a key").public_key());
    let mut zone = Zone::new();
    zone.insert("key._domainkey.example.org".into(), vec![Some(text(&[&format!("v=DKIM1; k=rsa; p={public}")]))]);
    zone.insert("bad._domainkey.example.org".into(), vec![Some(text(&["v=DKIM1; k=rsa; p=AAAA"]))]);
    let dns = serve(zone).await;
    let ip = "192.0.2.1".parse().expect("an address");
    let mut wrong = Vec::new();
    for (name, passes, sets, before, after) in CHAIN.iter().chain(SEAL).chain(MESSAGE_SIGNATURE) {
        assert!(!NOT_MADE.contains(name));
        let mut chain = Chain::new(*sets);
        before(&mut chain);
        chain.sign(&key);
        after(&mut chain);
        let found = findings(&dns, ip, "x.example", None, &chain.to_mail()).await;
        let known = DIFFERS.iter().flat_map(|(_, names)| *names).any(|known| known == name);
        if ((found.arc == Finding::Pass) == *passes) == known {
            wrong.push(format!("{name}: {:?} {}", found.arc, found.results));
        }
    }
    // cv_empty, cv_no_headers, cv_no_body, cv_base1
    for mail in ["", "\r\nno header\r\n", HEAD, &format!("{HEAD}\r\n{BODY}")] {
        let found = findings(&dns, ip, "x.example", None, mail.as_bytes()).await;
        assert_eq!(found.arc, Finding::None, "{mail}");
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
