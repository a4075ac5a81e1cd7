//! `hoopctl login`, `whoami` and `logout`: signing in, as whom, and no more.
//!
//! ```text
//!   --one-time-token FILE ─▶ SignIn.Open ─▶ a session's token ──┐
//!   --token-env VAR ───────▶ a person's token ──────────────────┼─▶ kept for this server ─▶ every other command
//!   --issuer URL ──────────▶ device: a person's token ──────────┘
//! ```

mod device;

use super::{Format, Outcome, print_line};
use crate::client::{Access, said};
use crate::shown::Utc;
use anyhow::{Context, bail, ensure};
use hoop_model::{Redacted, UnixMillis};
use hoop_wire::v1;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest token, in bytes.
const MAX_TOKEN_BYTES: u64 = 16 << 10;

/// Signs in, and keeps what later commands need beneath the user's configuration directory, readable by its owner only.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("way").required(true).args(["one_time_token", "token_env", "issuer"]))]
pub(crate) struct Login {
    /// File of a one-time token: the cluster's first one, or one of `hoop-control-plane recover`; `-` for standard input.
    /// It is used up by this, and opens an administrator's session of 12 hours.
    #[arg(long, value_name = "FILE")]
    one_time_token: Option<PathBuf>,
    /// Variable that holds a person's OIDC token.
    #[arg(long, value_name = "VAR")]
    token_env: Option<String>,
    /// URL of the issuer where a person signs in with a browser (RFC 8628).
    #[arg(long, value_name = "URL", requires = "client_id")]
    issuer: Option<String>,
    /// The client id that the issuer knows `hoopctl` by.
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,
    /// Scopes to ask for.
    #[arg(long, value_name = "SCOPE", requires = "issuer", default_value = "openid")]
    scope: Vec<String>,
    /// PEM certificates that the issuer is verified against, instead of the system's.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    issuer_ca: Option<PathBuf>,
    /// Keep the token in this file instead, for `--token-file`.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Says who is signed in, and what they may.
#[derive(Debug, clap::Args)]
pub(crate) struct WhoAmI {
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "table")]
    output: Format,
}

/// Ends an administrator's session, and forgets what was kept to sign in.
#[derive(Debug, clap::Args)]
pub(crate) struct Logout {}

impl Login {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let token = self.token(access).await?;
        // Said before it is kept: a token that signs nobody in is not worth keeping.
        let mut sign_in = access.sign_in_with(token.reveal()).await?;
        let who = sign_in.who_am_i(v1::WhoAmIRequest {}).await.map_err(said)?.into_inner();
        match &self.to {
            Some(file) => hoop_node::files::write_private(file, token.reveal().as_bytes())?,
            None => access.keep_token(token.reveal())?,
        }
        print_line(&format!("signed in as {} until {}", who.name, Utc(UnixMillis(who.expires_ms))))?;
        Ok(Outcome::Done)
    }

    async fn token(&self, access: &Access) -> anyhow::Result<Redacted<String>> {
        if let Some(file) = &self.one_time_token {
            let mut sign_in = access.sign_in_with("").await?;
            let opened = sign_in.open(v1::OpenRequest { token: read(file)?.reveal().clone() }).await.map_err(said)?;
            return Ok(Redacted::new(opened.into_inner().token));
        }
        if let Some(variable) = &self.token_env {
            let token = std::env::var(variable).with_context(|| format!("read the variable `{variable}`"))?;
            ensure!(!token.trim().is_empty(), "the variable `{variable}` is empty");
            return Ok(Redacted::new(token.trim().to_owned()));
        }
        let (Some(issuer), Some(client_id)) = (&self.issuer, &self.client_id) else { bail!("no way to sign in") };
        let ca = self.issuer_ca.as_ref().map(std::fs::read_to_string).transpose().context("read --issuer-ca")?;
        device::token(issuer, client_id, &self.scope, ca.as_deref()).await
    }
}

fn read(file: &Path) -> anyhow::Result<Redacted<String>> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_TOKEN_BYTES).read_to_string(&mut text).context("read standard input")?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("read `{}`", file.display()))?;
        opened.take(MAX_TOKEN_BYTES).read_to_string(&mut text).with_context(|| format!("read `{}`", file.display()))?;
    }
    Ok(Redacted::new(text.trim().to_owned()))
}

impl WhoAmI {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let who = access.sign_in().await?.who_am_i(v1::WhoAmIRequest {}).await.map_err(said)?.into_inner();
        let ends = Utc(UnixMillis(who.expires_ms)).to_string();
        let shown = json!({
            "name": who.name, "person": who.person, "teams": who.teams, "rights": who.rights, "expires": ends,
        });
        self.output.print(&shown, || {
            let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
            format!("{}\nteams   {}\nrights  {}\nuntil   {ends}", who.name, list(&who.teams), list(&who.rights),)
        })?;
        Ok(Outcome::Done)
    }
}

impl Logout {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let mut sign_in = access.sign_in().await?;
        let who = sign_in.who_am_i(v1::WhoAmIRequest {}).await.map_err(said)?.into_inner();
        if !who.person {
            sign_in.end(v1::EndRequest {}).await.map_err(said)?;
        }
        access.forget_token()?;
        print_line(&format!("{} is signed out", who.name))?;
        Ok(Outcome::Done)
    }
}
