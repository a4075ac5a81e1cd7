use super::*;
use hoop_model::{ApprovalId, ResourceName, TraceId};

/// Every code with its status and the fields beyond the fixed ones; reviewed as a diff.
const GOLDEN: &str = "\
malformed_request 400 connection: close
malformed_target 400 connection: close
malformed_header 400 connection: close
method_not_supported 400 connection: close
upgrade_not_supported 400 connection: close
body_too_large 413 connection: close
token_missing 401 www-authenticate: Bearer
token_malformed 401 www-authenticate: Bearer error=\"invalid_token\"
token_issuer_unknown 401 www-authenticate: Bearer error=\"invalid_token\"
token_audience 401 www-authenticate: Bearer error=\"invalid_token\"
token_key_unknown 401 www-authenticate: Bearer error=\"invalid_token\"
token_algorithm 401 www-authenticate: Bearer error=\"invalid_token\"
token_signature 401 www-authenticate: Bearer error=\"invalid_token\"
token_expired 401 www-authenticate: Bearer error=\"invalid_token\"
token_not_yet_valid 401 www-authenticate: Bearer error=\"invalid_token\"
token_lifetime 401 www-authenticate: Bearer error=\"invalid_token\"
token_type 401 www-authenticate: Bearer error=\"invalid_token\"
issuer_keys_unavailable 503
identity_none 403
identity_ambiguous 403
identity_changed 403
identity_suspended 403
identity_expired 403
connection_unknown 421
connect_not_permitted 403
not_permitted 403
forbidden 403
read_only 403
policy_error 403
nothing_to_judge 403
precondition_failed 412
approval_required 428
approval_expired 428
approval_denied 403
approval_mismatch 409
approval_unknown 404
approval_spent 409
approval_voided 409
too_many_pending 429 retry-after: 1
too_large_to_review 413 connection: close
too_many 429 retry-after: 1
not_ready 503
lease_expired 503
recorder_unavailable 503
draining 503
credential_unavailable 503
credential_rejected 502
upstream_unreachable 502
upstream_misbehaved 502
upstream_loop 502
upstream_uninspectable 502
upstream_timeout 504
";

#[test]
fn every_code_has_its_status_and_fields() {
    let mut table = String::new();
    for &code in Code::ALL {
        let mut response = problem(&Refusal::because(code, "why"));
        let headers = response.headers_mut();
        assert_eq!(headers.remove("content-type").unwrap(), "application/problem+json");
        assert_eq!(headers.remove("cache-control").unwrap(), "no-store");
        assert_eq!(headers.remove("hoop-refusal").unwrap(), code.as_str());
        let fields: String = headers.iter().map(|(n, v)| format!(" {n}: {}", v.to_str().unwrap())).collect();
        table.push_str(&format!("{code} {}{fields}\n", response.status().as_u16(), code = code.as_str()));
    }
    assert_eq!(table, GOLDEN);
}

#[test]
fn what_is_unknown_is_absent() {
    let response = problem(&Refusal::because(Code::TokenMissing, "a bearer token is required"));
    assert_eq!(
        serde_json::from_slice::<Value>(response.body()).unwrap(),
        serde_json::json!({
            "type": "urn:hoop:refusal:token_missing",
            "title": "token missing",
            "status": 401,
            "detail": "a bearer token is required",
            "code": "token_missing",
        })
    );
}

#[test]
fn what_is_known_is_told() {
    let name = |text| Some(ResourceName::parse(text).unwrap());
    let refusal = Refusal {
        identity: name("nightly-react"),
        connection: name("orders"),
        effect: Some(Effect { action: "http:DELETE".into(), target: Target::Route(name("admin").unwrap()) }),
        policy: Some("agents-on-orders/2".into()),
        missing: Some("a grant for `http:DELETE`".into()),
        how_to_request: Some("ask \"team-a\"\n".into()),
        retry_after: Some(Duration::from_millis(1500)),
        trace_id: Some(TraceId::mint(7)),
        ..Refusal::because(Code::Forbidden, "no deletes at night")
    };
    let response = problem(&refusal);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(
        serde_json::from_slice::<Value>(response.body()).unwrap(),
        serde_json::json!({
            "type": "urn:hoop:refusal:forbidden",
            "title": "forbidden",
            "status": 403,
            "detail": "no deletes at night",
            "code": "forbidden",
            "identity": "nightly-react",
            "connection": "orders",
            "effect": { "action": "http:DELETE", "route": "admin" },
            "policy": "agents-on-orders/2",
            "missing": "a grant for `http:DELETE`",
            "how_to_request": "ask \"team-a\"\n",
            "retry_after": 2,
            "trace_id": "00000000000000000000000000000007",
        })
    );
}

#[test]
fn whoever_sends_too_much_waits_at_least_a_second() {
    let refusal = Refusal { retry_after: Some(Duration::ZERO), ..Refusal::because(Code::TooMany, "slow down") };
    assert_eq!(problem(&refusal).headers()["retry-after"], "1");
}

/// A hold that is not finished, and one that is.
fn holds() -> [Refusal; 2] {
    let known = |code| Refusal {
        approval: Some(ApprovalId::mint(0xab)),
        retry_after: Some(Duration::from_secs(5)),
        ..Refusal::because(code, "needs approval by one of team `on-call`")
    };
    [known(Code::ApprovalRequired), known(Code::ApprovalDenied)]
}

#[test]
fn a_hold_that_is_not_finished_says_where_it_waits() {
    let [waits, denied] = holds();
    let response = problem(&waits);
    assert_eq!(response.status(), StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(response.headers()["location"], "/.hoop/approvals/000000000000000000000000000000ab");
    assert_eq!(response.headers()["retry-after"], "5");
    assert!(!problem(&denied).headers().contains_key("location"));
    let nobody_asked = Refusal { approval: None, ..waits };
    assert!(!problem(&nobody_asked).headers().contains_key("location"));
}

#[test]
fn only_a_hold_that_is_not_finished_is_ever_a_2xx_and_only_if_the_caller_asked() {
    let asynchronous = Patience { respond_async: true, ..Patience::default() };
    let [waits, denied] = holds();
    let response = held(&waits, asynchronous);
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["location"], "/.hoop/approvals/000000000000000000000000000000ab");
    assert_eq!(response.headers()["preference-applied"], "respond-async");
    assert_eq!(response.headers()["hoop-refusal"], "approval_required");
    let mut body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["status"], 202);
    body["status"] = 428.into();
    assert_eq!(body, serde_json::from_slice::<Value>(problem(&waits).body()).unwrap(), "the same object");

    let same = |a: &Response<Bytes>, b: &Response<Bytes>| {
        assert_eq!((a.status(), a.headers(), a.body()), (b.status(), b.headers(), b.body()));
    };
    same(&held(&waits, Patience::default()), &problem(&waits));
    same(&held(&denied, asynchronous), &problem(&denied));
    for &code in Code::ALL {
        let refusal = Refusal::because(code, "no");
        assert!(!held(&refusal, asynchronous).status().is_success(), "{code:?}");
    }
}
