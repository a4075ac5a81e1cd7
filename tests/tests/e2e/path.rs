//! The shortest path: a read comes through, a forbidden command does not, with clients that are not ours.

use hoop_tests::stage::Stage;
use hoop_tests::tools::{curl, python};
use serde_json::Value;

#[test]
fn path_a_read_comes_through_and_a_delete_is_blocked() {
    let stage = Stage::set();
    let authorization = format!("Authorization: Bearer {}", stage.issuer.token());

    let (status, body) = curl(&["--header", &authorization, &stage.url("/orders/7?full=yes")]).unwrap();
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["target"], "/orders/7?full=yes");
    assert_eq!(stage.backend.lines(), ["GET /orders/7?full=yes"]);
    stage.backend.forget();

    let (status, body) = curl(&["--header", &authorization, "--request", "DELETE", &stage.url("/orders/7")]).unwrap();
    assert_eq!(status, 403);
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["code"], "forbidden");
    assert_eq!(problem["detail"], "jobs never delete in production");
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["identity"], "nightly");
    assert_eq!(problem["connection"], "orders");
    assert_eq!(problem["effect"]["action"], "http:DELETE");
    assert!(problem["policy"].as_str().unwrap().contains("no-deletes"), "{problem}");
    assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32);
    stage.nothing_reached_the_backend();
}

#[test]
fn path_a_session_goes_on_after_a_refusal() {
    let stage = Stage::set();
    let program = "
import httpx, json, sys
url, token = sys.argv[1:]
with httpx.Client(headers={'Authorization': f'Bearer {token}'}, trust_env=False, timeout=60,
                  limits=httpx.Limits(max_connections=1)) as client:
    seen = []
    for method, path, body in [('GET', '/1', None), ('DELETE', '/1', None), ('POST', '/1', {'text': 'x' * 100000}),
                               ('DELETE', '/2', None), ('HEAD', '/1', None), ('GET', '/2', None)]:
        answer = client.request(method, url + path, json=body)
        ports = [c._connection._network_stream.get_extra_info('client_addr')[1] for c in client._transport._pool.connections]
        seen.append([answer.status_code, answer.headers['content-type'], ports])
    print(json.dumps(seen))
";
    let seen: Value = serde_json::from_str(&python(program, &[&stage.url(""), &stage.issuer.token()])).unwrap();
    let statuses: Vec<_> = seen.as_array().unwrap().iter().map(|answer| answer[0].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 403, 200, 403, 200, 200]);
    assert!(seen.as_array().unwrap().iter().all(|answer| answer[2] == seen[0][2]), "not one connection: {seen}");
    assert_eq!(seen[1][1], "application/problem+json");
    assert_eq!(stage.backend.lines(), ["GET /1", "POST /1", "HEAD /1", "GET /2"]);
    assert_eq!(stage.backend.seen()[1].body.len(), r#"{"text":""}"#.len() + 100_000);
}
