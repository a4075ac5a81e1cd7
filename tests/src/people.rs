//! People who approve, and a rule that makes a command wait for them.

use crate::cluster::{Cluster, Said};
use crate::issuer::{Issuer, Signing, unix_now};
use serde_json::{Value, json};

/// The audience of people's tokens.
pub const AUDIENCE: &str = "hoop://people";

/// The documents of three people: ann and bob are on call, carol is in another team.
#[must_use]
pub fn people(issuer: &Issuer) -> String {
    let mut documents = format!(
        "---\napiVersion: hoop/v1\nkind: Issuer\nmetadata: {{name: staff}}\nspec: {{for: people, url: \"{}\", \
         audiences: [\"{AUDIENCE}\"], algorithms: [ES256], maxTokenLifetime: 1h}}\n",
        issuer.url()
    );
    for (name, team) in [("ann", "on-call"), ("bob", "on-call"), ("carol", "finance")] {
        documents += &person(name, team);
    }
    documents
}

/// The document of one person.
#[must_use]
pub fn person(name: &str, team: &str) -> String {
    format!(
        "---\napiVersion: hoop/v1\nkind: Person\nmetadata: {{name: {name}}}\nspec: {{issuer: staff, claims: {{sub: \
         {name}-id}}, teams: [{team}]}}\n"
    )
}

/// The document of a rule: POST waits for so many of the people on call.
#[must_use]
pub fn posts_wait(quorum: u32) -> String {
    format!(
        "---\napiVersion: hoop/v1\nkind: Policy\nmetadata: {{name: four-eyes}}\nspec:\n  cedar: |\n    \
         @id(\"posts-wait\")\n    @hold(\"on-call\")\n    @quorum(\"{quorum}\")\n    @message(\"posts wait for on-call\")\n    \
         forbid (principal, action == Hoop::Action::\"http:POST\", resource in Hoop::Connection::\"orders\");\n"
    )
}

/// A token of one of them.
#[must_use]
pub fn token(issuer: &Issuer, name: &str) -> String {
    let now = unix_now();
    let claims = json!({
        "iss": issuer.url(), "aud": AUDIENCE, "sub": format!("{name}-id"), "iat": now, "nbf": now, "exp": now + 600,
    });
    issuer.sign(Signing::Es256, &claims)
}

/// Somebody with the administrator's tool and a token of their own.
pub struct Approver<'a> {
    cluster: &'a Cluster,
    token: String,
}

impl<'a> Approver<'a> {
    /// Gives one of the people the tool.
    #[must_use]
    pub fn named(cluster: &'a Cluster, issuer: &Issuer, name: &str) -> Self {
        Self { cluster, token: token(issuer, name) }
    }

    /// Runs `hoopctl approvals` with these arguments.
    #[must_use]
    pub fn approvals(&self, arguments: &[&str]) -> Said {
        self.cluster.hoopctl_as(&self.token, &[&["approvals"], arguments].concat())
    }

    /// Lists what waits.
    #[must_use]
    pub fn waiting(&self) -> Vec<Value> {
        serde_json::from_str(&self.approvals(&["list", "-o", "json"]).expect_done()).unwrap()
    }

    /// Returns the state of one.
    #[must_use]
    pub fn state(&self, id: &str) -> String {
        let shown = self.approvals(&["show", id, "-o", "json"]).expect_done();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["state"].as_str().unwrap().to_owned()
    }
}
