//! `hoopctl dev --demo`: plays the nightly job, step by step. Every line it prints as seen was checked; the first thing that
//! is not as it should be ends the demo with an error.

use super::administrator::{self, Administrator};
use super::backend::DemoBackend;
use super::documents;
use super::issuer::{Claims, DemoIssuer};
use super::job::{Answer, Job};
use super::planes::Planes;
use crate::commands::Outcome;
use anyhow::{Context, ensure};
use std::path::Path;
use std::time::Duration;

/// Twice the lease, so that a slow machine does not fail the demo.
const LEASE_PATIENCE: Duration = Duration::from_secs(30);

/// How much of a session is printed.
const SHOWN_LINES: usize = 16;

/// Plays the demo.
pub(super) async fn play() -> anyhow::Result<Outcome> {
    let stage = Stage::set().await?;
    let mut job = Job::connect(stage.planes.gateway_address()).await?;
    stage.node_is_enrolled().await?;
    stage.key_is_set(&mut job).await?;
    stage.read_is_allowed(&mut job).await?;
    stage.delete_is_refused(&mut job).await?;
    stage.update_is_held(&mut job).await?;
    stage.other_tokens_are_refused(&mut job).await?;
    stage.tightened_policy_is_felt(&mut job).await?;
    stage.lease_ends(&mut job).await?;
    stage.session_is_shown(&mut job).await?;
    stage.identity_is_revoked(&mut job).await?;
    stage.evidence_is_whole().await?;
    println!("\nEvery step was observed.");
    Ok(Outcome::Done)
}

struct Stage {
    planes: Planes,
    administrator: Administrator,
    issuer: DemoIssuer,
    staff: DemoIssuer,
    backend: DemoBackend,
    token: String,
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let planes = Planes::start().await?;
        let issuer = DemoIssuer::start().await?;
        let staff = DemoIssuer::start().await?;
        let backend = DemoBackend::start().await?;
        let mut applied = documents::documents_of_caller(&issuer);
        applied.push_str(&documents::documents_of_people(&staff));
        applied.push_str(&documents::document_of_key(backend.origin()));
        let credential = ", credential: {secret: react-api, as: bearer}";
        applied.push_str(&documents::document_of_connection("react", backend.origin(), credential));
        applied.push_str(documents::CARDS);
        applied.push_str(documents::OPEN_POLICY);
        planes.apply(&applied).await.context("apply the demo's resources")?;
        let token = issuer.token(&Claims::nightly())?;
        let administrator = Administrator::new(planes.server(), planes.write_access()?);
        Ok(Self { planes, administrator, issuer, staff, backend, token })
    }

    async fn node_is_enrolled(&self) -> anyhow::Result<()> {
        step("the data-plane node joined with a one-time token");
        let subject = self.planes.certificate_subject().await;
        ensure!(subject.contains("CN=dev-1"), "the node's certificate is for `{subject}`");
        println!("  certificate  {subject}");
        println!("  applied      revision {}", self.planes.applied().await);
        Ok(())
    }

    async fn key_is_set(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the service asks for a key, which is sealed in the control plane and never leaves the gateway");
        let answer = self.send(job, "GET", "/c/react/orders/7", "").await?;
        ensure!(answer.code() == "credential_unavailable", "expected credential_unavailable, saw {answer:?}");
        self.backend_saw(&[])?;
        let file = self.planes.directory().join("react-api.key");
        hoop_node::files::write_private(&file, self.backend.key().as_bytes())?;
        println!("  $ hoopctl secret set react-api --from-file FILE --wait");
        let path = file.to_string_lossy();
        let said = self.administrator.done(&["secret", "set", "react-api", "--from-file", &path, "--wait"]).await?;
        said.lines().for_each(|line| println!("  {line}"));
        Ok(std::fs::remove_file(&file)?)
    }

    async fn read_is_allowed(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the job reads, with nothing but its OIDC token; what is sensitive is masked");
        let answer = self.send(job, "GET", "/c/react/orders/7", "").await?;
        ensure!(answer.status == 200, "expected 200, saw {answer:?}");
        let shown = answer.body.to_string();
        for masked in ["[masked:pii.email]", "************4242", "[masked:secret.api_key]"] {
            ensure!(shown.contains(masked), "expected `{masked}`, saw {answer:?}");
        }
        self.backend_saw(&["GET /orders/7"])
    }

    async fn delete_is_refused(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the job deletes: blocked before execution");
        let answer = self.send(job, "DELETE", "/c/react/orders/7", "").await?;
        ensure!(answer.status == 403 && answer.code() == "forbidden", "expected a refusal, saw {answer:?}");
        self.backend_saw(&[])
    }

    async fn update_is_held(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the job makes a high-risk update: held until somebody on call releases it");
        let body = "{\"state\":\"cancelled\"}";
        let path = "/c/react/orders/7";
        let mut waiting = Job::connect(self.planes.gateway_address()).await?;
        let token = self.token.clone();
        let held = tokio::spawn(async move { waiting.send("PATCH", path, &token, body).await });
        let token = self.staff.person_token("ann-id")?;
        let ann = self.administrator.for_person(self.planes.directory(), &token)?;
        let id = waiting_approval(&ann).await?;
        self.backend_saw(&[])?;
        println!("  $ hoopctl approvals show {id}");
        ann.done(&["approvals", "show", &id]).await?.lines().for_each(|line| println!("  {line}"));
        println!("  $ hoopctl approvals approve {id}");
        println!("  {}", ann.done(&["approvals", "approve", &id]).await?.trim());
        let answer = held.await.context("wait for the held command")??;
        saw(&answer);
        ensure!(answer.status == 200, "expected 200, saw {answer:?}");
        self.backend_saw(&["PATCH /orders/7"])?;
        println!("  PATCH {path}, showing the approval again");
        let more = [("hoop-approval", id.as_str()), ("prefer", "wait=0")];
        let again = job.send_with("PATCH", path, &self.token, (body, &more)).await?;
        saw(&again);
        ensure!(again.status == 409 && again.code() == "approval_spent", "expected approval_spent, saw {again:?}");
        self.backend_saw(&[])
    }

    async fn other_tokens_are_refused(&self, job: &mut Job) -> anyhow::Result<()> {
        for (what, claims, status, code) in [
            ("from another repository", Claims { repository_id: "666", ..Claims::nightly() }, 403, "identity_none"),
            ("that has expired", Claims { lifetime: -120, ..Claims::nightly() }, 401, "token_expired"),
            ("for another audience", Claims { audience: "gw://other", ..Claims::nightly() }, 401, "token_audience"),
        ] {
            step(&format!("a token {what}"));
            let token = self.issuer.token(&claims)?;
            let answer = job.send("GET", "/c/react/orders/7", &token, "").await?;
            saw(&answer);
            ensure!(answer.status == status && answer.code() == code, "expected {code}, saw {answer:?}");
            self.backend_saw(&[])?;
        }
        Ok(())
    }

    async fn tightened_policy_is_felt(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the job updates a note; then the policy is tightened while it runs");
        let answer = self.send(job, "PATCH", "/c/react/notes/1", "{\"text\":\"done\"}").await?;
        ensure!(answer.status == 200, "expected 200, saw {answer:?}");
        self.backend_saw(&["PATCH /notes/1"])?;
        self.planes.apply(documents::READ_ONLY_POLICY).await.context("tighten the policy")?;
        println!("  applied      revision {}", self.planes.applied().await);
        let answer = self.send(job, "PATCH", "/c/react/notes/1", "{\"text\":\"again\"}").await?;
        ensure!(answer.status == 403 && answer.code() == "not_permitted", "expected a refusal, saw {answer:?}");
        self.backend_saw(&[])
    }

    async fn lease_ends(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the control plane goes away: commands go on, and are refused when the lease ends");
        self.planes.stop_control_plane().await;
        let answer = self.send(job, "GET", "/c/react/notes/1", "").await?;
        ensure!(answer.status == 200, "expected 200 within the lease, saw {answer:?}");
        self.backend_saw(&["GET /notes/1"])?;
        let cut = tokio::time::Instant::now();
        while cut.elapsed() < LEASE_PATIENCE {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let answer = job.send("GET", "/c/react/notes/1", &self.token, "").await?;
            if answer.status != 200 {
                println!("  after        {:.1} s", cut.elapsed().as_secs_f32());
                saw(&answer);
                ensure!(answer.code() == "lease_expired", "expected lease_expired, saw {answer:?}");
                self.backend.take_seen();
                let answer = self.send(job, "GET", "/c/react/notes/1", "").await?;
                ensure!(answer.status == 503, "a refusal must last, saw {answer:?}");
                return self.backend_saw(&[]);
            }
        }
        anyhow::bail!("the lease did not end within {LEASE_PATIENCE:?}")
    }

    async fn session_is_shown(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the control plane is back; what the job did, as an administrator reads it");
        self.planes.restart_control_plane().await?;
        self.until_served(job).await?;
        self.backend.take_seen();
        let id = self.session_with_a_refusal().await?;
        println!("  $ hoopctl sessions show {id}");
        let shown = self.administrator.done(&["sessions", "show", &id]).await?;
        shown.lines().take(SHOWN_LINES).for_each(|line| println!("  {line}"));
        println!("  … and {} more lines", shown.lines().count().saturating_sub(SHOWN_LINES));
        for wanted in ["GET /orders/7", "DELETE /orders/7", "jobs never delete in production"] {
            ensure!(shown.contains(wanted), "the session does not show `{wanted}`");
        }
        Ok(())
    }

    /// Waits until the node has shipped what it could not while the control plane was away.
    async fn session_with_a_refusal(&self) -> anyhow::Result<String> {
        let since = tokio::time::Instant::now();
        while since.elapsed() < LEASE_PATIENCE {
            let arguments = ["sessions", "list", "--identity", "nightly-react", "--refused", "-o", "json"];
            let listed = self.administrator.done(&arguments).await?;
            let listed: serde_json::Value = serde_json::from_str(&listed).context("read the list of sessions")?;
            if let Some(id) = listed.pointer("/0/id").and_then(serde_json::Value::as_str) {
                return Ok(id.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        anyhow::bail!("no session with a refusal was listed within {LEASE_PATIENCE:?}")
    }

    async fn until_served(&self, job: &mut Job) -> anyhow::Result<()> {
        let since = tokio::time::Instant::now();
        while since.elapsed() < LEASE_PATIENCE {
            if job.send("GET", "/c/react/notes/1", &self.token, "").await?.status == 200 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("the job was not served again within {LEASE_PATIENCE:?}")
    }

    async fn identity_is_revoked(&self, job: &mut Job) -> anyhow::Result<()> {
        step("the identity is revoked: the receipt says when no node lets it go on");
        println!("  $ hoopctl revoke nightly-react --wait");
        let said = self.administrator.done(&["revoke", "nightly-react", "--wait"]).await?;
        said.lines().for_each(|line| println!("  {line}"));
        ensure!(said.contains("dev-1") && said.contains("acknowledged"), "the node gave no receipt");
        let answer = self.send(job, "GET", "/c/react/notes/1", "").await?;
        ensure!(answer.code() == "identity_suspended", "expected identity_suspended, saw {answer:?}");
        self.backend_saw(&[])
    }

    async fn evidence_is_whole(&self) -> anyhow::Result<()> {
        step("the evidence verifies with nothing but its files and one public key; damage is found in copies");
        self.planes.stop_data_plane().await;
        let export = self.planes.directory().join("export");
        let directory = export.to_string_lossy();
        self.administrator.done(&["audit", "export", &directory]).await?;
        let key = self.administrator.done(&["audit", "key"]).await?;
        println!("  $ hoopctl audit verify EVIDENCE --key {}", key.trim());
        let verified = self.administrator.done(&["audit", "verify", &directory, "--key", key.trim()]).await?;
        verified.lines().for_each(|line| println!("  {line}"));
        self.damage_is_found("a flipped byte", &key, |segment| {
            change(segment, |bytes| {
                let middle = bytes.len() / 2;
                bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
            })
        })
        .await?;
        self.damage_is_found("a cut tail", &key, |segment| {
            change(segment, |bytes| bytes.truncate(bytes.len() * 3 / 4))
        })
        .await?;
        self.damage_is_found("a missing segment", &key, |segment| Ok(std::fs::remove_file(segment)?)).await
    }

    /// Damages the last segment of a copy; the verifier must say so.
    async fn damage_is_found(
        &self,
        what: &str,
        key: &str,
        damage: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (export, copy) = (self.planes.directory().join("export"), self.planes.directory().join(what));
        administrator::copy_tree(&export, &copy)?;
        let segments = administrator::files_ending(&copy, ".seg")?;
        damage(segments.last().context("there is no segment")?)?;
        let directory = copy.to_string_lossy();
        let said = self.administrator.run(&["audit", "verify", &directory, "--key", key.trim()]).await?;
        ensure!(said.code == 1, "{what} was not found: {said:?}");
        println!("  {what}: found");
        Ok(())
    }

    async fn send(&self, job: &mut Job, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        let answer = job.send(method, path, &self.token, body).await?;
        println!("  {method} {path}");
        saw(&answer);
        let shown = answer.body.to_string();
        let leaked = self.backend.sensitive().into_iter().find(|value| shown.contains(value));
        ensure!(leaked.is_none(), "the job saw `{}`", leaked.unwrap_or_default());
        Ok(answer)
    }

    fn backend_saw(&self, expected: &[&str]) -> anyhow::Result<()> {
        let seen = self.backend.take_seen();
        let shown = if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") };
        println!("  backend saw  {shown}");
        ensure!(seen == expected, "the backend should have seen {expected:?}");
        Ok(())
    }
}

/// Waits until a command waits, and returns its approval.
async fn waiting_approval(person: &Administrator) -> anyhow::Result<String> {
    let since = tokio::time::Instant::now();
    while since.elapsed() < LEASE_PATIENCE {
        let listed = person.done(&["approvals", "list", "-o", "json"]).await?;
        let listed: serde_json::Value = serde_json::from_str(&listed).context("read the list of approvals")?;
        if let Some(id) = listed.pointer("/0/id").and_then(serde_json::Value::as_str) {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("no command waited within {LEASE_PATIENCE:?}")
}

fn change(file: &Path, with: impl FnOnce(&mut Vec<u8>)) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(file)?;
    with(&mut bytes);
    Ok(std::fs::write(file, bytes)?)
}

fn step(what: &str) {
    println!("\n* {what}");
}

fn saw(answer: &Answer) {
    println!("  job saw      {} {}", answer.status, answer.body);
}
