// SPDX-License-Identifier: AGPL-3.0-or-later
//! An add-on for Thunderbird on a computer that adds one account, when its owner says so on the add-on's page, and is then of
//! no more use. The files of `oauth/addon`, and what they are told, in a ZIP archive.
//!
//! Thunderbird takes no settings from a file, and its own API for add-ons makes no account: the add-on brings an API
//! of its own (an experiment). Such are for Thunderbird ESR; a monthly Thunderbird may say that it takes them no more.

use std::io::{Cursor, Write as _};

use hearth_types::Trouble;
use hearth_web::Lang;
use hearth_web::axum::http::{HeaderValue, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Kit;
use crate::page::words::in_language;

/// The oldest that it was seen working in; Debian's.
const THUNDERBIRD_MIN: &str = "153.0";
const FILES: [(&str, &str); 5] = [
    ("api.js", include_str!("../../../../addon/api.js")),
    ("background.js", include_str!("../../../../addon/background.js")),
    ("schema.json", include_str!("../../../../addon/schema.json")),
    ("setup.html", include_str!("../../../../addon/setup.html")),
    ("setup.js", include_str!("../../../../addon/setup.js")),
];

impl Kit<'_> {
    /// The add-on, as a download. The media type of add-ons would make a Firefox try to install it itself, and that of ZIP
    /// archives makes others unpack it.
    pub(in crate::page::account) fn addon(&self) -> Result<Response, Trouble> {
        let named = format!("attachment; filename=\"{}\"", self.addon_name());
        let fields = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (header::CONTENT_DISPOSITION, HeaderValue::from_str(&named).map_err(trouble)?),
        ];
        Ok((fields, self.archive()?).into_response())
    }

    fn addon_name(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
        format!("hearth-{}.xpi", self.address.chars().map(|c| if is_plain(c) { c } else { '_' }).collect::<String>())
    }

    fn archive(&self) -> Result<Vec<u8>, Trouble> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, text: &str| -> Result<(), Trouble> {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
            zip.start_file(name, options).map_err(trouble)?;
            zip.write_all(text.as_bytes()).map_err(trouble)
        };
        add("manifest.json", &self.manifest().to_string())?;
        for (name, text) in FILES {
            add(name, text)?;
        }
        add("account.json", &self.settings().to_string())?;
        for lang in Lang::ALL {
            add(&format!("_locales/{}/messages.json", lang.tag()), &messages(lang).to_string())?;
        }
        Ok(zip.finish().map_err(trouble)?.into_inner())
    }

    /// Its id follows from the account: a new one takes the place of an old one, and those of two accounts stand side by side.
    fn manifest(&self) -> Value {
        json!({
            "manifest_version": 3,
            "name": format!("Hearth: {}", self.address),
            "description": "__MSG_description__",
            "version": "1.0",
            "default_locale": Lang::En.tag(),
            "browser_specific_settings": { "gecko": {
                "id": format!("{{{}}}", self.uuid("thunderbird").to_ascii_lowercase()), "strict_min_version": THUNDERBIRD_MIN,
            } },
            "background": { "scripts": ["background.js"] },
            "options_ui": { "page": "setup.html", "open_in_tab": true },
            "experiment_apis": { "hearth": {
                "schema": "schema.json",
                "parent": { "scopes": ["addon_parent"], "paths": [["hearth"]], "script": "api.js" },
            } },
        })
    }

    fn settings(&self) -> Value {
        json!({
            "address": self.address, "name": self.name, "host": self.host, "imap": self.imap, "submission": self.submission,
            "password": self.password,
        })
    }
}

/// What it says, as Thunderbird keeps the texts of an add-on: `$1` is where the first thing goes.
fn messages(lang: Lang) -> Value {
    let t = |english: &'static str| in_language(lang, english);
    let texts = [
        ("description", t("Adds one mail account, and can be removed afterwards.")),
        ("title", t("Add your mail account")),
        ("intro", t("This adds the account below to Thunderbird, with its password. Your other accounts stay as they are.")),
        ("address", t("Address")),
        ("incoming", t("IMAP server")),
        ("outgoing", t("SMTP server")),
        ("server", t("{}, port {}, TLS")),
        ("add", t("Add the account")),
        ("done", t("Done: your account is here. Remove this add-on now: it has done its work, and the password is still in it.")),
        ("there", t("This account is here already; nothing was changed. You can remove this add-on.")),
        ("failed", t("The account was not added: {}")),
        ("remove", t("Remove this add-on")),
    ];
    let message = |text: &str| json!({ "message": text.replacen("{}", "$1", 1).replacen("{}", "$2", 1) });
    Value::Object(texts.into_iter().map(|(key, text)| (key.to_string(), message(text))).collect::<Map<_, _>>())
}

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble::new(format!("an add-on: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::tests::kit;
    use super::*;

    #[test]
    fn everything_that_it_names_is_in_it() {
        let mut archive = zip::ZipArchive::new(Cursor::new(kit().archive().unwrap())).unwrap();
        let mut read = |name: &str| {
            let mut text = String::new();
            archive.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}")).read_to_string(&mut text).unwrap();
            text
        };
        let json = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        let manifest = json(read("manifest.json"));
        assert_eq!(manifest["browser_specific_settings"]["gecko"]["id"].as_str().unwrap().len(), 38);
        let settings = json(read("account.json"));
        assert_eq!((&settings["imap"], &settings["password"]), (&json!(993), &json!("abcde-fghij")));
        let (page, script) = (read("setup.html"), read("setup.js"));
        for lang in Lang::ALL.map(Lang::tag) {
            let messages = json(read(&format!("_locales/{lang}/messages.json")));
            let keys = page.split("data-text=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            for key in keys.chain(["description", "server", "done", "there", "failed"]) {
                assert!(messages[key]["message"].as_str().is_some_and(|text| !text.is_empty()), "{lang} {key}");
            }
            assert!(messages["server"]["message"].as_str().unwrap().contains("$2"));
        }
        for file in [manifest["options_ui"]["page"].as_str(), manifest["background"]["scripts"][0].as_str()] {
            read(file.unwrap());
        }
        for id in script.split("find(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }

    #[test]
    fn a_name_for_any_file_system() {
        let of = |address: &str| Kit { address: address.into(), ..kit() }.addon_name();
        assert_eq!(of("alice@home.example"), "hearth-alice@home.example.xpi");
        assert_eq!(of("\"../a\\b\"é@home.example"), "hearth-_.._a_b__@home.example.xpi");
    }
}
