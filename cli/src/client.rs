//! The connection to the control plane: one TLS channel pinned to the cluster CA, and the caller's token on every call.

mod kept;

use anyhow::{Context, bail};
use hoop_wire::v1::OpenRequest;
use hoop_wire::v1::admin_client::AdminClient;
use hoop_wire::v1::approvals_client::ApprovalsClient;
use hoop_wire::v1::audit_client::AuditClient;
use hoop_wire::v1::sessions_client::SessionsClient;
use hoop_wire::v1::sign_in_client::SignInClient;
use std::path::PathBuf;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Where the control plane is and how to sign in to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// The control plane, as `https://HOST:PORT`.
    #[arg(long, env = "HOOP_SERVER", global = true)]
    server: Option<String>,
    /// PEM file of the cluster CA.
    #[arg(long, env = "HOOP_CA", global = true)]
    ca: Option<PathBuf>,
    /// File that holds a token to sign in with: of an administrator's session, or a person's OIDC token. Without it, what
    /// `hoopctl login` kept for this server.
    #[arg(long, env = "HOOP_TOKEN_FILE", global = true)]
    token_file: Option<PathBuf>,
}

/// Puts the token on every call.
#[derive(Clone)]
pub(crate) struct SignedIn(MetadataValue<Ascii>);

impl Interceptor for SignedIn {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A channel on which every call is signed in.
type Line = InterceptedService<Channel, SignedIn>;

/// A client of the Admin service.
pub(crate) type Admin = AdminClient<Line>;

/// A client of the Sessions service.
pub(crate) type Sessions = SessionsClient<Line>;

/// A client of the Approvals service.
pub(crate) type Approvals = ApprovalsClient<Line>;

/// A client of the SignIn service.
pub(crate) type SignIn = SignInClient<Line>;

/// A client of the Audit service.
pub(crate) type Audit = AuditClient<Line>;

impl Access {
    /// Opens the channel to administer.
    pub(crate) async fn connect(&self) -> anyhow::Result<Admin> {
        Ok(AdminClient::new(self.line().await?))
    }

    /// Opens the channel to read sessions.
    pub(crate) async fn sessions(&self) -> anyhow::Result<Sessions> {
        Ok(SessionsClient::new(self.line().await?))
    }

    /// Opens the channel to read the evidence store.
    pub(crate) async fn audit(&self) -> anyhow::Result<Audit> {
        Ok(AuditClient::new(self.line().await?).max_decoding_message_size(hoop_rpc::MAX_MESSAGE_BYTES))
    }

    /// Opens the channel to see and release what waits for people.
    pub(crate) async fn approvals(&self) -> anyhow::Result<Approvals> {
        Ok(ApprovalsClient::new(self.line().await?))
    }

    /// Opens the channel to find out who is signed in.
    pub(crate) async fn sign_in(&self) -> anyhow::Result<SignIn> {
        Ok(SignInClient::new(self.line().await?))
    }

    /// Opens the channel to sign in, with a token in hand.
    pub(crate) async fn sign_in_with(&self, token: &str) -> anyhow::Result<SignIn> {
        let (server, ca) = self.server()?;
        Ok(SignInClient::new(line(server, &ca, token).await?))
    }

    /// Keeps a token for this server, for later commands.
    pub(crate) fn keep_token(&self, token: &str) -> anyhow::Result<()> {
        let (server, _) = self.server()?;
        kept::keep(server, token)
    }

    /// Forgets the token that is kept for this server.
    pub(crate) fn forget_token(&self) -> anyhow::Result<()> {
        let (server, _) = self.server()?;
        kept::forget(server)
    }

    fn server(&self) -> anyhow::Result<(&str, String)> {
        let (Some(server), Some(ca)) = (&self.server, &self.ca) else {
            bail!("need --server and --ca (or HOOP_SERVER and HOOP_CA)");
        };
        let ca = std::fs::read_to_string(ca).with_context(|| format!("read `{}`", ca.display()))?;
        Ok((server, ca))
    }

    async fn line(&self) -> anyhow::Result<Line> {
        let (server, ca) = self.server()?;
        let token = match &self.token_file {
            Some(file) => std::fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?,
            None => kept::token(server)?.context("nobody is signed in: `hoopctl login`, or --token-file")?,
        };
        line(server, &ca, token.trim()).await
    }
}

/// Uses up a one-time token; returns the token of the session that it opened.
pub(crate) async fn open_session(server: &str, ca_pem: &str, one_time: &str) -> anyhow::Result<String> {
    let mut sign_in = SignInClient::new(line(server, ca_pem, "").await?);
    let opened = sign_in.open(OpenRequest { token: one_time.to_owned() }).await.map_err(said)?;
    Ok(opened.into_inner().token)
}

/// Opens the channel to administer with a CA and a token in hand.
pub(crate) async fn connect(server: &str, ca_pem: &str, token: &str) -> anyhow::Result<Admin> {
    Ok(AdminClient::new(line(server, ca_pem, token).await?))
}

async fn line(server: &str, ca_pem: &str, token: &str) -> anyhow::Result<Line> {
    let channel = hoop_rpc::connect(server, ca_pem, hoop_rpc::SERVER_NAME, None)
        .await
        .with_context(|| format!("connect to `{server}`"))?;
    let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().context("the token is not printable")?;
    bearer.set_sensitive(true);
    Ok(InterceptedService::new(channel, SignedIn(bearer)))
}

/// A call's failure in the administrator's words: the server's message, without transport detail.
pub(crate) fn said(status: Status) -> anyhow::Error {
    anyhow::anyhow!("{} ({:?})", status.message(), status.code())
}
