use super::*;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DONE: Metric = Metric::counter("hoop_done_total", "What was done");
const THERE: Metric = Metric::gauge("hoop_there", "What is there");
const TOOK: Metric = Metric::histogram("hoop_took_seconds", "What it took");

#[derive(Default)]
struct Shown {
    done: Counter,
    there: Gauge,
    took: Histogram,
}

impl Exposed for Shown {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut done = page.family(&DONE)?;
        done.counter(&[("of", "a\"b\nc\\")], self.done.read())?;
        done.counter(&[("of", "d"), ("by", "e")], 0)?;
        page.gauge(&THERE, self.there.read() as f64)?;
        page.histogram(&TOOK, &self.took.read())
    }
}

fn shown() -> Arc<dyn Exposed> {
    let shown = Shown::default();
    shown.done.increment();
    shown.done.add(2);
    shown.there.set(7);
    drop(shown.there.raise());
    std::mem::forget(shown.there.raise());
    for millis in [1, 3, 400_000] {
        shown.took.observe(Duration::from_millis(millis));
    }
    Arc::new(shown)
}

#[test]
fn the_page_has_every_family_with_its_labels_escaped() {
    let page = text(&shown()).unwrap();
    let wanted = [
        "# HELP hoop_done What was done",
        "# TYPE hoop_done counter",
        r#"hoop_done_total{of="a\"b\nc\\"} 3"#,
        r#"hoop_done_total{of="d",by="e"} 0"#,
        "# TYPE hoop_there gauge",
        "hoop_there 8.0",
        "# TYPE hoop_took_seconds histogram",
        "hoop_took_seconds_sum 400.004",
        "hoop_took_seconds_count 3",
        r#"hoop_took_seconds_bucket{le="0.0005"} 0"#,
        r#"hoop_took_seconds_bucket{le="0.001"} 1"#,
        r#"hoop_took_seconds_bucket{le="0.005"} 2"#,
        r#"hoop_took_seconds_bucket{le="300.0"} 2"#,
        r#"hoop_took_seconds_bucket{le="+Inf"} 3"#,
    ];
    for line in wanted {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(page.ends_with("# EOF\n"), "{page}");
}

#[test]
fn distributions_add_up() {
    let (one, other) = (Histogram::default(), Histogram::default());
    one.observe(Duration::from_secs(1));
    other.observe(Duration::from_secs(1));
    other.observe(Duration::from_micros(50));
    let mut sum = one.read();
    sum.add(&other.read());
    let all = Histogram::default();
    [1_000_000, 1_000_000, 50].iter().copied().for_each(|micros| all.observe(Duration::from_micros(micros)));
    assert_eq!(sum, all.read());
}

#[test]
fn dp_14_a_page_that_others_can_read_must_be_asked_for() {
    let check = |listen: Option<&str>, plaintext: Option<&str>| {
        RawListen { listen: listen.map(Into::into), plaintext: plaintext.map(Into::into) }.check().map_err(|_| ())
    };
    assert_eq!(check(None, None), Ok(None));
    for address in ["127.0.0.1:9464", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(check(Some(address), None), Ok(Some(address.parse().unwrap())));
    }
    for address in ["0.0.0.0:9464", "[::]:1", "10.0.0.1:1"] {
        assert_eq!(check(Some(address), None), Err(()), "{address}");
        assert_eq!(check(Some(address), Some("allowed")), Ok(Some(address.parse().unwrap())));
    }
    assert_eq!(check(Some("localhost:1"), None), Err(()));
    assert_eq!(check(Some("127.0.0.1:1"), Some("yes")), Err(()));
}

async fn ask(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head} HTTP/1.1\r\nHost: m\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn only_the_page_is_served_and_only_to_get() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, shown()));
    let page = ask(address, "GET /metrics").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("hoop_there 8.0"), "{page}");
    assert!(page.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{page}");
    assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
    assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
    serving.abort();
}
