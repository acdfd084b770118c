// SPDX-License-Identifier: AGPL-3.0-or-later
//! The language of an answer: English or French, as the reader's browser prefers.
//!
//! [`listen`] stands around every handler, so that a page, an error page and a sentence deep below say [`lang`] and need
//! not be told; [`speak`] changes it for the rest of the request, for protocols with a wish of their own (`ui_locales`).

use std::cell::Cell;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};

/// A language that we speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English, when nothing else is wanted.
    #[default]
    En,
    /// French.
    Fr,
}

impl Lang {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Fr];

    /// RFC 9110 §12.5.4: the first of ours in the order of the list (browsers send it by preference).
    pub fn find<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        tags.into_iter().find_map(|tag| {
            let primary = tag.split([';', '-', '_']).next().unwrap_or_default().trim();
            Self::ALL.into_iter().find(|lang| primary.eq_ignore_ascii_case(lang.tag()))
        })
    }

    /// The same, and English when there is none of ours.
    pub fn choose<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        Self::find(tags).unwrap_or_default()
    }

    /// What a browser asks for.
    pub fn of(headers: &HeaderMap) -> Self {
        Self::choose(headers.get(header::ACCEPT_LANGUAGE).and_then(|tags| tags.to_str().ok()).unwrap_or_default().split(','))
    }

    /// Its tag (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// The one of two texts that is in this language.
    pub fn pick<T>(self, en: T, fr: T) -> T {
        match self {
            Self::En => en,
            Self::Fr => fr,
        }
    }
}

tokio::task_local! {
    static SPOKEN: Cell<Lang>;
}

/// The language of the request that is being answered; English outside of one.
pub fn lang() -> Lang {
    SPOKEN.try_with(Cell::get).unwrap_or_default()
}

/// Speaks `lang` for the rest of this request.
pub fn speak(lang: Lang) {
    // Outside of a request there is nobody to speak to.
    let _nobody = SPOKEN.try_with(|spoken| spoken.set(lang));
}

/// Speaks as the browser asks; a layer around handlers.
pub async fn listen(request: Request, next: Next) -> Response {
    let lang = Lang::of(request.headers());
    SPOKEN.scope(Cell::new(lang), next.run(request)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_we_speak() {
        for (header, lang) in [
            ("fr", Lang::Fr),
            ("FR-fr,fr;q=0.9,en;q=0.8", Lang::Fr),
            ("de-DE, de;q=0.9, fr;q=0.5", Lang::Fr),
            ("en-GB,fr;q=0.5", Lang::En),
            ("de", Lang::En),
            ("", Lang::En),
            ("frr", Lang::En),
        ] {
            assert_eq!(Lang::choose(header.split(',')), lang, "{header}");
        }
        assert_eq!(Lang::find(["fr_CA"]), Some(Lang::Fr));
        assert_eq!(Lang::find(["de", ""]), None);
    }

    #[tokio::test]
    async fn spoken_within_a_request() {
        assert_eq!(lang(), Lang::En);
        speak(Lang::Fr);
        assert_eq!(lang(), Lang::En, "outside of a request there is nobody to speak to");
        let said = SPOKEN.scope(Cell::new(Lang::Fr), async {
            let before = lang();
            speak(Lang::En);
            (before, lang())
        });
        assert_eq!(said.await, (Lang::Fr, Lang::En));
    }
}
