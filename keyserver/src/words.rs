// SPDX-License-Identifier: AGPL-3.0-or-later
//! What our pages and letters say, in English and in French.

pub(crate) use hearth_web::Lang;

/// A language that has all the words.
pub(crate) trait Speaks {
    /// They.
    fn words(self) -> &'static Words;
}

impl Speaks for Lang {
    fn words(self) -> &'static Words {
        self.pick(&EN, &FR)
    }
}

macro_rules! words {
    ($($name:ident: $en:literal, $fr:literal;)*) => {
        /// Every sentence, by its place.
        pub(crate) struct Words { $(pub(crate) $name: &'static str,)* }
        static EN: Words = Words { $($name: $en,)* };
        static FR: Words = Words { $($name: $fr,)* };
    };
}

words! {
    title: "Keys", "Clés";
    skip: "Skip to the content", "Aller au contenu";
    intro: "The OpenPGP keys of the people of this house, and of those who proved their address here.",
        "Les clés OpenPGP des personnes de cette maison, et de celles qui ont prouvé leur adresse ici.";
    search: "Search", "Chercher";
    search_label: "E-mail address, fingerprint or 16-digit key id", "Adresse e-mail, empreinte ou identifiant de 16 chiffres";
    search_none: "No key is published here for this.", "Aucune clé n'est publiée ici pour cela.";
    download: "Download", "Télécharger";
    fingerprint: "Fingerprint", "Empreinte";
    no_identity: "No identity is published.", "Aucune identité n'est publiée.";
    revoked: "Revoked: do not use it any more.", "Révoquée : ne l'utilisez plus.";
    expired: "Expired.", "Expirée.";
    upload: "Upload a key", "Envoyer une clé";
    upload_label: "Your PUBLIC key, as text", "Votre clé PUBLIQUE, en texte";
    upload_file: "Or a file", "Ou un fichier";
    upload_hint: "Never send a secret key. An address is shown only after its owner answered our letter.",
        "N'envoyez jamais de clé secrète. Une adresse n'est montrée qu'après que son propriétaire a répondu à notre lettre.";
    upload_done: "Your key has arrived.", "Votre clé est arrivée.";
    send_proof: "Send a letter to this address", "Envoyer une lettre à cette adresse";
    status_published: "published", "publiée";
    status_unpublished: "not published", "non publiée";
    status_pending: "if somebody reads this address, a letter is on its way; open it and follow the link",
        "si quelqu'un lit cette adresse, une lettre est en route ; ouvrez-la et suivez le lien";
    status_revoked: "revoked", "révoquée";
    remove: "Remove an address", "Retirer une adresse";
    remove_label: "Your e-mail address", "Votre adresse e-mail";
    remove_hint: "We write to the address; the link in the letter takes it out of this directory.",
        "Nous écrivons à l'adresse ; le lien dans la lettre la retire de cet annuaire.";
    remove_sent: "If this address is published here, a letter with a link is on its way to it. One letter an hour at most.",
        "Si cette adresse est publiée ici, une lettre avec un lien est en route. Une lettre par heure au plus.";
    remove_ask: "Show this address in no key any more?", "Ne plus montrer cette adresse dans aucune clé ?";
    remove_yes: "Remove it", "La retirer";
    remove_done: "The address is not shown any more. Copies that others made stay with them.",
        "L'adresse n'est plus montrée. Les copies faites par d'autres restent chez eux.";
    verify_ask: "Show this address in the key with this fingerprint?", "Montrer cette adresse dans la clé de cette empreinte ?";
    verify_yes: "Publish it", "La publier";
    verify_done: "The address is published.", "L'adresse est publiée.";
    link_bad: "This link is not good any more. Ask for a new letter.", "Ce lien n'est plus valable. Demandez une nouvelle lettre.";
    statistics: "Statistics", "Statistiques";
    statistics_hint: "Since the last start. How many keys there are is not told.",
        "Depuis le dernier démarrage. Le nombre de clés n'est pas dit.";
    count_found: "Look-ups that found a key", "Recherches qui ont trouvé une clé";
    count_not_found: "Look-ups that found none", "Recherches sans résultat";
    count_uploads: "Uploads", "Envois";
    count_letters: "Letters asked for", "Lettres demandées";
    back: "Back", "Retour";
    proof_subject: "Confirm your address for your OpenPGP key", "Confirmez votre adresse pour votre clé OpenPGP";
    proof_body: "Somebody, probably you, uploaded the OpenPGP key with the fingerprint below and asks to show it for this address. If it is yours, open the link and confirm. If not, do nothing.",
        "Quelqu'un, sans doute vous, a envoyé la clé OpenPGP de l'empreinte ci-dessous et demande de la montrer pour cette adresse. Si elle est à vous, ouvrez le lien et confirmez. Sinon, ne faites rien.";
    manage_subject: "Remove your address from the key directory", "Retirer votre adresse de l'annuaire de clés";
    manage_body: "Somebody, probably you, asks to take this address out of the directory of OpenPGP keys. To do so, open the link and confirm. If it was not you, do nothing.",
        "Quelqu'un, sans doute vous, demande de retirer cette adresse de l'annuaire de clés OpenPGP. Pour le faire, ouvrez le lien et confirmez. Si ce n'était pas vous, ne faites rien.";
}
