//! Questions to a node, over the stream that speaks for it.

use super::super::{Attachment, Plane};
use super::process;
use crate::fleet::NoAnswer;
use hoop_model::ResourceName;
use hoop_wire::v1::{self, from_node, job_result, to_node};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

impl Attachment {
    /// Returns the next job, whatever else comes before.
    pub(super) async fn job(&mut self) -> v1::Job {
        loop {
            if let to_node::Message::Job(job) = self.hear().await.unwrap() {
                return job;
            }
        }
    }

    pub(super) async fn answer(&mut self, id: Vec<u8>, outcome: job_result::Outcome, payload: Vec<u8>) {
        let result = v1::JobResult { id, outcome: outcome.into(), payload, reason: String::new() };
        self.say(from_node::Message::JobResult(result)).await;
    }
}

impl Plane {
    async fn ask(&self, node: &ResourceName, within: Duration) -> Result<Vec<u8>, NoAnswer> {
        self.running.cluster.fleet().ask(node, ("test", b"question".to_vec()), 7, within).await
    }
}

#[tokio::test]
async fn a_node_answers_by_the_id_of_the_question() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let mut shipper = plane.shipper(&process).await;
    let node = process.node.clone();
    let answering = async {
        let (one, other) = (shipper.link.job().await, shipper.link.job().await);
        assert_eq!((one.kind.as_str(), one.payload.as_slice(), one.deadline_ms), ("test", &b"question"[..], 7));
        shipper.link.answer(vec![1; 16], job_result::Outcome::Done, b"of nobody's question".to_vec()).await;
        shipper.link.answer(other.id, job_result::Outcome::Done, b"second".to_vec()).await;
        shipper.link.answer(one.id, job_result::Outcome::Done, b"first".to_vec()).await;
    };
    let (first, second, ()) = tokio::join!(plane.ask(&node, LONG), plane.ask(&node, LONG), answering);
    assert_eq!((first.unwrap(), second.unwrap()), (b"first".to_vec(), b"second".to_vec()));
}

#[tokio::test]
async fn a_question_without_an_answer_ends_with_the_reason() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let nobody = ResourceName::parse("nobody").unwrap();
    assert_eq!(plane.ask(&nobody, LONG).await, Err(NoAnswer::NotAttached));
    let mut shipper = plane.shipper(&process).await;
    let node = process.node.clone();
    for (outcome, reason) in [
        (job_result::Outcome::Failed, NoAnswer::Failed),
        (job_result::Outcome::Unsupported, NoAnswer::Failed),
        (job_result::Outcome::Unspecified, NoAnswer::Failed),
        (job_result::Outcome::TooLate, NoAnswer::Late),
    ] {
        let answering = async {
            let job = shipper.link.job().await;
            shipper.link.answer(job.id, outcome, vec![]).await;
        };
        let (answer, ()) = tokio::join!(plane.ask(&node, LONG), answering);
        assert_eq!(answer, Err(reason), "{outcome:?}");
    }
    assert_eq!(plane.ask(&node, Duration::ZERO).await, Err(NoAnswer::Late));
    let leaving = async {
        shipper.link.job().await;
        drop(shipper);
    };
    let (answer, ()) = tokio::join!(plane.ask(&node, LONG), leaving);
    assert_eq!(answer, Err(NoAnswer::NotAttached));
}
