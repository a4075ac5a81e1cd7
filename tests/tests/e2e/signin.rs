//! Administrators sign in, and what they may is what their roles say.

use hoop_tests::cluster::{SESSION, Said};
use hoop_tests::issuer::Issuer;
use hoop_tests::people::{self, people};
use hoop_tests::stage::Stage;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

fn role(name: &str, team: &str, rights: &str) -> String {
    format!(
        "---\napiVersion: hoop/v1\nkind: Role\nmetadata: {{name: {name}}}\nspec: {{teams: [{team}], rights: [{rights}]}}\n"
    )
}

/// A home directory of somebody else's, in which `hoopctl` keeps who is signed in.
struct Desk<'a> {
    stage: &'a Stage,
    home: PathBuf,
}

impl<'a> Desk<'a> {
    fn of(stage: &'a Stage, who: &str) -> Self {
        let home = stage.cluster.path(&format!("home-{who}"));
        std::fs::create_dir_all(&home).unwrap();
        Self { stage, home }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let home = self.home.to_str().unwrap();
        let environment = [&[("XDG_CONFIG_HOME", home), ("HOME", "/nonexistent")], environment].concat();
        self.stage.cluster.hoopctl_without_token(arguments, &environment)
    }
}

#[test]
fn the_first_token_signs_one_administrator_in_and_out_again() {
    let stage = Stage::set();
    let desk = Desk::of(&stage, "ops");
    let first = stage.cluster.path("admin-token");
    let first = first.to_str().unwrap();
    let said = desk.run(&["get"], &[]);
    assert!(said.code == 1 && said.err.contains("nobody is signed in"), "{said:?}");
    let said = desk.run(&["login", "--one-time-token", first], &[]);
    assert!(said.code == 1 && said.err.contains("used up"), "the cluster's own administrator used it: {said:?}");
    let said = desk.run(&["get", "--token-file", first], &[]);
    assert!(said.code == 1 && said.err.contains("one-time token"), "{said:?}");

    let session = stage.cluster.path(SESSION);
    let who = desk.run(&["whoami", "-o", "json", "--token-file", session.to_str().unwrap()], &[]).expect_done();
    let who: Value = serde_json::from_str(&who).unwrap();
    assert_eq!((&who["name"], &who["person"]), (&"administrator".into(), &false.into()));
    let _ = desk.run(&["logout", "--token-file", session.to_str().unwrap()], &[]).expect_done();
    let said = stage.cluster.hoopctl(&["get"]);
    assert!(said.code == 1 && said.err.contains("no session"), "{said:?}");
}

#[test]
fn a_person_signs_in_with_a_token_from_the_environment_and_does_what_the_role_says() {
    let (stage, staff) = (Stage::set(), Issuer::start());
    let roles = role("readers", "on-call", "\"admin:read\", \"admin:revoke\"");
    stage.cluster.apply_and_wait(&(people(&staff) + &roles));
    let desk = Desk::of(&stage, "ann");
    let token = people::token(&staff, "ann");
    let environment = [("MY_TOKEN", token.as_str())];
    let said = desk.run(&["login", "--token-env", "MISSING"], &environment);
    assert!(said.code == 1 && said.err.contains("MISSING"), "{said:?}");
    let said = desk.run(&["login", "--token-env", "MY_TOKEN"], &environment).expect_done();
    assert!(said.contains("signed in as ann"), "{said}");
    let kept: Vec<_> = hoop_tests::evidence::files(&desk.home);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let _ = desk.run(&["get"], &[]).expect_done();
    let said = desk.run(&["delete", "Connection", "orders"], &[]);
    assert!(said.code != 0 && said.err.contains("`admin:apply` is needed"), "{said:?}");
    let said = desk.run(&["sessions", "list"], &[]);
    assert!(said.code != 0 && said.err.contains("`sessions:read` is needed"), "{said:?}");
    let _ = desk.run(&["revoke", "nightly", "--wait"], &[]).expect_done();
    assert_eq!(stage.send("GET", "/c/orders/1").refusal(), "identity_suspended");

    stage.cluster.apply_and_wait(&role("readers", "nobody", "\"admin:read\""));
    let said = desk.run(&["get"], &[]);
    assert!(said.code != 0 && said.err.contains("`admin:read` is needed"), "felt at once: {said:?}");
    let _ = desk.run(&["logout"], &[]).expect_done();
    assert_eq!(hoop_tests::evidence::files(&desk.home), Vec::<PathBuf>::new());
}

#[test]
fn who_has_a_voters_host_recovers_once_and_it_survives_kill_9() {
    let mut stage = Stage::set();
    let token = stage.cluster.recover();
    let file = stage.cluster.path("recovery-token");
    std::fs::write(&file, &token).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let home = {
        let desk = Desk::of(&stage, "rescue");
        let said = desk.run(&["login", "--one-time-token", &file], &[]).expect_done();
        assert!(said.contains("signed in as recovery/"), "{said}");
        desk.home
    };
    stage.cluster.control_process().kill();
    stage.cluster.restart_control_plane();
    let desk = Desk { stage: &stage, home };
    let who = desk.run(&["whoami"], &[]).expect_done();
    assert!(who.contains("admin:people"), "{who}");
    let said = desk.run(&["login", "--one-time-token", &file], &[]);
    assert!(said.code == 1 && said.err.contains("used up"), "{said:?}");
    let log = std::fs::read_to_string(stage.cluster.path("control-plane.log")).unwrap();
    assert!(log.contains("a token for recovery opened a session"), "it is recorded");
    assert!(!log.contains(token.trim()), "and the token is not");
}

/// An issuer that signs people in by device code: it gives one code, and answers questions about it in this order.
fn device_issuer(answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let discovery = serde_json::json!({
        "issuer": url, "device_authorization_endpoint": format!("{url}/device"), "token_endpoint": format!("{url}/token"),
    });
    let code = serde_json::json!({
        "device_code": "d-1", "user_code": "WDJB-MJHT", "verification_uri": format!("{url}/enter"), "expires_in": 300,
        "interval": 1,
    });
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        while let Ok((stream, _)) = listener.accept() {
            let mut reader = BufReader::new(&stream);
            let (mut head, mut length) = (Vec::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push(line);
            }
            let mut form = vec![0; length];
            reader.read_exact(&mut form).unwrap();
            let form = String::from_utf8(form).unwrap();
            let (status, body) = match head.first().and_then(|line| line.split(' ').nth(1)) {
                Some("/.well-known/openid-configuration") => ("200 OK", discovery.to_string()),
                Some("/device") if form == "client_id=hoopctl&scope=openid%20groups" => ("200 OK", code.to_string()),
                Some("/token") if form.contains("device_code=d-1&client_id=hoopctl") => answers.next().unwrap(),
                _ => ("400 Bad Request", "{\"error\":\"invalid_request\"}".to_owned()),
            };
            let head = "Content-Type: application/json\r\nConnection: close\r\n";
            let _ = write!(&stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

#[test]
fn a_person_signs_in_with_a_browser_somewhere_else() {
    let (stage, staff) = (Stage::set(), Issuer::start());
    stage.cluster.apply_and_wait(&(people(&staff) + &role("readers", "on-call", "\"admin:read\"")));
    let bad = |error: &str| ("400 Bad Request", format!("{{\"error\":\"{error}\"}}"));
    let token = ("200 OK", serde_json::json!({"id_token": people::token(&staff, "ann")}).to_string());
    let desk = Desk::of(&stage, "ann");
    let login = |issuer: &str| {
        let scopes = ["--scope", "openid", "--scope", "groups"];
        desk.run(&[["login", "--issuer", issuer, "--client-id", "hoopctl"].as_slice(), &scopes].concat(), &[])
    };
    let said = login(&device_issuer(vec![bad("authorization_pending"), bad("authorization_pending"), token]));
    assert!(said.code == 0 && said.out.contains("signed in as ann"), "{said:?}");
    assert!(said.err.contains("WDJB-MJHT"), "{said:?}");
    let _ = desk.run(&["get"], &[]).expect_done();
    let said = login(&device_issuer(vec![bad("access_denied")]));
    assert!(said.code == 1 && said.err.contains("it was denied"), "{said:?}");
    let said = login("http://127.0.0.1:1");
    assert!(said.code == 1 && said.err.contains("discovery document"), "{said:?}");
}
