//! `hoopctl dev`: the whole product in one process, over the same sockets, certificates and contracts as in production.
//!
//! ```text
//!   job ──token──▶ data plane ──▶ backend (demo, or the user's own)
//!      issuer ▲        ▲ gRPC, mTLS
//!                 control plane (one voter, temporary directory, throw-away seal key)
//! ```

mod administrator;
mod backend;
mod demo;
mod documents;
mod issuer;
mod job;
mod planes;
mod serve;

use crate::commands::Outcome;
use anyhow::Context;
use hoop_model::ResourceName;
use hoop_model::spec::Origin;
use issuer::DemoIssuer;
use planes::Planes;

/// Runs both planes in one process on throw-away keys and a temporary directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Play the nightly job against the demo backend, check every step, and exit.
    #[arg(long)]
    demo: bool,
    /// Put a service behind the gateway: `NAME=URL`.
    #[arg(long = "http", value_parser = named_origin, conflicts_with = "demo")]
    http: Vec<(ResourceName, Origin)>,
}

fn named_origin(text: &str) -> anyhow::Result<(ResourceName, Origin)> {
    let (name, url) = text.split_once('=').context("a service is `NAME=URL`")?;
    Ok((ResourceName::parse(name)?, Origin::parse(url)?))
}

impl Dev {
    pub(crate) async fn run(&self) -> anyhow::Result<Outcome> {
        if self.demo {
            return demo::play().await;
        }
        let planes = Planes::start().await?;
        let issuer = DemoIssuer::start().await?;
        let backend = backend::DemoBackend::start().await?;
        let mut services = self.http.clone();
        if services.is_empty() {
            services.push((ResourceName::parse("react")?, backend.origin().clone()));
        }
        planes.apply(&dev_documents(&issuer, &services)).await?;
        print_guide(&planes, &issuer, &services)?;
        tokio::signal::ctrl_c().await.context("wait for Ctrl-C")?;
        planes.stop().await;
        Ok(Outcome::Done)
    }
}

/// The resources of an interactive session: one issuer, one identity, the services, reads allowed.
fn dev_documents(issuer: &DemoIssuer, services: &[(ResourceName, Origin)]) -> String {
    let mut text = documents::documents_of_caller(issuer);
    for (name, origin) in services {
        text.push_str(&documents::document_of_connection(name.as_str(), origin, ""));
        text.push_str(&format!(
            "---\napiVersion: hoop/v1\nkind: Policy\nmetadata: {{name: agents-on-{name}}}\nspec:\n  cedar: |\n    \
             permit (principal in Hoop::Group::\"agents\", action == Hoop::Action::\"connect\", resource == Hoop::Connection::\"{name}\");\n    \
             permit (principal in Hoop::Group::\"agents\", action in Hoop::Action::\"read\", resource in Hoop::Connection::\"{name}\");\n",
        ));
    }
    text
}

fn print_guide(planes: &Planes, issuer: &DemoIssuer, services: &[(ResourceName, Origin)]) -> anyhow::Result<()> {
    let (ca, token) = planes.write_access()?;
    let job_token = issuer.token(&issuer::Claims::nightly())?;
    println!("gateway        {}", planes.gateway());
    println!("control plane  {}", planes.server());
    println!("issuer         {}", issuer.url());
    println!("keys           throw-away: everything is gone when this process ends\n");
    println!("export HOOP_SERVER={} HOOP_CA={} HOOP_TOKEN_FILE={}", planes.server(), ca.display(), token.display());
    println!("export TOKEN={job_token}\n");
    for (name, origin) in services {
        println!("# {origin} through the gateway; reads are allowed, anything else is refused");
        println!("curl -H \"Authorization: Bearer $TOKEN\" {}/c/{name}/", planes.gateway());
    }
    println!("hoopctl get\nhoopctl fleet status\n\nCtrl-C stops everything.");
    Ok(())
}
