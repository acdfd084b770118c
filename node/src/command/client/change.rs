// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth client change`: another name, other places, another secret, other metadata. What was granted stays.

use anyhow::bail;
use hearth_identity::Directory;
use hearth_identity::grants::{Client, NewClient};
use serde_json::json;

use super::metadata::{self, Described};
use super::{check_redirect, find};
use crate::cli::ClientChangeArgs;
use crate::out::Out;

/// Runs it.
pub async fn run(directory: &Directory, args: ClientChangeArgs, out: &Out) -> anyhow::Result<()> {
    let client = find(directory, &args.client_id).await?;
    let described = args.metadata.as_deref().map(Described::open).transpose()?.unwrap_or_default();
    let new = changed(&client, &args, &described)?;
    if args.new_secret && (new.public || metadata::signs_in(&new.metadata)) {
        bail!("{} has no secret that counts", args.client_id);
    }
    directory.change_client(client.id, new).await?;
    let mut value = json!({ "client_id": client.identifier, "left_out": described.left_out() });
    let mut lines = format!("{} is changed.", client.identifier);
    if !described.left_out().is_empty() {
        lines.push_str(&format!(" Nothing is done with {}.", described.left_out().join(", ")));
    }
    if args.new_secret {
        let Some(secret) = directory.change_client_secret(client.id).await? else {
            bail!("{} has no secret that counts", args.client_id);
        };
        value["client_secret"] = json!(secret.expose());
        lines.push_str(&format!("\nclient secret  {}   (shown once; the old one counts no more)", secret.expose()));
    }
    out.result(&value, lines);
    Ok(())
}

fn changed(client: &Client, args: &ClientChangeArgs, described: &Described) -> anyhow::Result<NewClient> {
    let mut new = NewClient {
        identifier: Some(client.identifier.clone()),
        name: client.name.clone(),
        public: client.is_public(),
        redirect_uris: client.redirect_uris.clone(),
        post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
        grant_types: client.grant_types.clone(),
        scopes: client.scopes.clone(),
        preset: client.preset.clone(),
        trusted: client.trusted,
        metadata: client.metadata.clone(),
    };
    described.replace(&mut new)?;
    if new.public != client.is_public() {
        bail!("a program with a secret and one without are two programs: remove {} and add it anew", client.identifier);
    }
    if let Some(name) = &args.name {
        new.name.clone_from(name);
    }
    for (into, said) in [
        (&mut new.redirect_uris, &args.redirect_uri),
        (&mut new.post_logout_redirect_uris, &args.post_logout_redirect_uri),
        (&mut new.scopes, &args.scope),
    ] {
        if !said.is_empty() {
            into.clone_from(said);
        }
    }
    for uri in args.redirect_uri.iter().chain(&args.post_logout_redirect_uri) {
        check_redirect(uri)?;
    }
    metadata::check_whole(&new)?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_db::Source;
    use hearth_types::Clock;

    #[tokio::test]
    async fn what_is_not_named_stays() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Source::Sqlite(folder.path().join("identity.db")), Clock::system()).await.unwrap();
        let new = NewClient {
            identifier: Some("app".into()),
            name: "App".into(),
            public: false,
            redirect_uris: vec!["https://app.example/cb".into()],
            post_logout_redirect_uris: vec!["https://app.example/bye".into()],
            grant_types: Vec::new(),
            scopes: vec!["openid".into()],
            preset: None,
            trusted: true,
            metadata: "{\"hearth_pkce\":\"optional\"}".into(),
        };
        let (before, secret) = directory.add_client(new).await.unwrap();
        let args = |name: Option<&str>, redirect_uri: &[&str], new_secret: bool| ClientChangeArgs {
            client_id: "app".into(),
            name: name.map(str::to_owned),
            redirect_uri: redirect_uri.iter().map(ToString::to_string).collect(),
            post_logout_redirect_uri: Vec::new(),
            scope: Vec::new(),
            metadata: None,
            new_secret,
        };
        let out = Out::new(true);
        run(&directory, args(Some("Other"), &["https://app.example/new"], true), &out).await.unwrap();
        let after = directory.find_client("app").await.unwrap().unwrap();
        assert_eq!((after.name.as_str(), after.redirect_uris.concat().as_str()), ("Other", "https://app.example/new"));
        assert!(!after.secret_matches(&secret.unwrap()), "the old secret counts no more");
        assert_eq!(
            (after.id, after.post_logout_redirect_uris, after.scopes, after.metadata, after.trusted),
            (before.id, before.post_logout_redirect_uris, before.scopes, before.metadata, true)
        );
        assert!(run(&directory, args(None, &["http://app.example/cb"], false), &out).await.is_err());
        assert_eq!(directory.find_client("app").await.unwrap().unwrap().redirect_uris, ["https://app.example/new"]);
    }
}
