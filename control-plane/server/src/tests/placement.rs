//! What each node may know (CP-14).

use super::{Plane, connection, issuer, names};

#[tokio::test]
async fn cp_14_a_node_gets_no_connection_that_is_not_placed_on_it() {
    let plane = Plane::start().await;
    plane
        .apply(vec![
            issuer("ci"),
            connection("everywhere", &[]),
            connection("only-a", &[("zone", "a")]),
            connection("only-b", &[("zone", "b")]),
            connection("a-and-gpu", &[("zone", "a"), ("gpu", "yes")]),
        ])
        .await
        .unwrap();
    type Labels<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Labels<'_>, &[&str]); 4] = [
        ("bare", &[], &["ci", "everywhere"]),
        ("a", &[("zone", "a")], &["ci", "everywhere", "only-a"]),
        ("b", &[("zone", "b"), ("gpu", "yes")], &["ci", "everywhere", "only-b"]),
        ("a-gpu", &[("zone", "a"), ("gpu", "yes")], &["a-and-gpu", "ci", "everywhere", "only-a"]),
    ];
    for (node, labels, expected) in cases {
        let mut link = plane.attached(&plane.joined(node, labels).await).await;
        let mut known = names(&link.snapshot().await.objects);
        known.sort();
        assert_eq!(known, expected, "{node}");
    }
}

#[tokio::test]
async fn cp_14_a_connection_that_moves_away_is_taken_back() {
    let plane = Plane::start().await;
    plane.apply(vec![connection("react", &[("zone", "a")])]).await.unwrap();
    let mut link = plane.attached(&plane.joined("n1", &[("zone", "a")]).await).await;
    assert_eq!(names(&link.snapshot().await.objects), ["react"]);
    plane.apply(vec![connection("react", &[("zone", "b")])]).await.unwrap();
    assert!(link.snapshot().await.objects.is_empty());
    plane.apply(vec![connection("react", &[])]).await.unwrap();
    assert_eq!(names(&link.snapshot().await.objects), ["react"], "and comes back");
}
