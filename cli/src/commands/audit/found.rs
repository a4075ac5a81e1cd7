//! What a verification found, for people and for scripts.

use super::store::StoreFile;
use crate::commands::Outcome;
use crate::shown::{Utc, escape};
use hoop_audit::{AuditFailed, Broken, Fault, Place, Problem, Report};
use hoop_model::{Gap, ResourceName, UnixMillis};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

/// Something that is wrong with the directory and not with what its files say.
#[derive(Debug)]
pub(super) enum Finding {
    /// A file, link or directory that no evidence store has.
    Stranger(PathBuf),
    /// A file that every evidence store has is not there.
    Missing(&'static str),
    /// A file cannot be read.
    Unreadable(String, io::Error),
    /// There is no valid checkpoint, so nothing vouches for anything.
    Failed(AuditFailed),
}

/// What somebody looked at before and takes as it is.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    /// Records that the cluster itself declared lost.
    pub(super) gaps: bool,
    /// What these nodes said against what they had said.
    pub(super) conflicts: BTreeSet<ResourceName>,
}

impl Accepted {
    fn takes(&self, problem: &Problem) -> bool {
        problem.contradicting_node().is_some_and(|node| self.conflicts.contains(node))
    }
}

/// What a verification found.
#[derive(Debug)]
pub(super) struct Found {
    findings: Vec<Finding>,
    audited: Option<Audited>,
}

#[derive(Debug)]
struct Audited {
    report: Report,
    /// Sessions that begin in the segments that are verified.
    sessions: u64,
    /// The time of the last entry that a checkpoint vouches for.
    until: Option<UnixMillis>,
}

/// One thing that is wrong, and where.
struct Wrong {
    /// Where, as people read it.
    place: String,
    what: String,
    /// The same place for scripts.
    fields: Map<String, Value>,
}

impl Found {
    /// The key vouches for nothing here.
    pub(super) fn without_checkpoint(mut findings: Vec<Finding>, failed: AuditFailed) -> Self {
        let missing =
            |finding: &Finding| matches!(finding, Finding::Missing(file) if *file == super::store::CHECKPOINT);
        if !findings.iter().any(missing) {
            findings.push(Finding::Failed(failed));
        }
        Self { findings, audited: None }
    }

    /// The auditor has a report. `sessions` are those that begin in each file, `times` those of the log's last entry
    /// under each checkpoint.
    pub(super) fn audited(
        findings: Vec<Finding>,
        report: Report,
        sessions: &BTreeMap<String, u64>,
        times: &BTreeMap<u64, Option<UnixMillis>>,
    ) -> Self {
        let unproven = |file: &String| {
            let rejected = |problem: &Problem| matches!(&problem.place, Place::Segment { path, .. } if path == file);
            report.problems.iter().any(rejected) || report.unanchored.iter().any(|segment| segment.path == *file)
        };
        let proven = sessions.iter().filter(|(file, _)| !unproven(file));
        let sessions = proven.fold(0_u64, |sum, (_, begun)| sum.saturating_add(*begun));
        let until = times.get(&report.anchored).copied().flatten();
        Self { findings, audited: Some(Audited { report, sessions, until }) }
    }

    /// Returns whether everything is there and nothing contradicts anything.
    fn is_whole(&self, accepted: &Accepted) -> bool {
        let gaps = |report: &Report| accepted.gaps || report.gaps.is_empty();
        self.audited.as_ref().is_some_and(|audited| gaps(&audited.report)) && self.wrongs(accepted).is_empty()
    }

    /// Returns what the process exits with.
    pub(super) fn outcome(&self, accepted: &Accepted) -> Outcome {
        if self.is_whole(accepted) { Outcome::Done } else { Outcome::Failed }
    }

    fn wrongs(&self, accepted: &Accepted) -> Vec<Wrong> {
        let problems = self.problems().filter(|problem| !accepted.takes(problem));
        self.findings.iter().map(of_finding).chain(problems.map(of_problem)).collect()
    }

    fn taken(&self, accepted: &Accepted) -> Vec<Wrong> {
        self.problems().filter(|problem| accepted.takes(problem)).map(of_problem).collect()
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.audited.iter().flat_map(|audited| &audited.report.problems)
    }

    /// Says it in lines: first whether it is whole, then what there is, then what is not as it should be.
    pub(super) fn text(&self, accepted: &Accepted) -> String {
        let wrongs = self.wrongs(accepted);
        let whole = self.is_whole(accepted);
        let mut lines = vec![if whole { "verified".to_owned() } else { "NOT VERIFIED".to_owned() }];
        lines.extend(self.audited.iter().flat_map(Audited::facts));
        lines.extend(wrongs.iter().map(|wrong| format!("problem     {}: {}", wrong.place, wrong.what)));
        let taken = self.taken(accepted);
        lines.extend(taken.iter().map(|taken| format!("conflict    {}: {} (accepted)", taken.place, taken.what)));
        if let Some(Audited { report, .. }) = &self.audited {
            let accepted = if accepted.gaps { " (accepted)" } else { "" };
            lines.extend(report.gaps.iter().map(|gap| format!("lost        {}{accepted}", of_gap(gap))));
            lines.extend(report.pending.iter().map(|pending| {
                let (chain, first, last) = (&pending.chain, pending.first, pending.last.sequence);
                format!("pending     chain {chain}, records {first} to {last}: known, and not in the store yet")
            }));
            lines.extend(report.unanchored.iter().map(|segment| {
                let (path, records) = (escape(&segment.path), segment.records);
                format!("unanchored  {path}: {records} records in order, under no checkpoint yet")
            }));
        }
        lines.join("\n")
    }

    /// Says the same to scripts, as one object.
    pub(super) fn json(&self, accepted: &Accepted) -> Value {
        let problem = |wrong: Wrong| {
            let mut fields = wrong.fields;
            fields.insert("problem".to_owned(), Value::String(wrong.what));
            Value::Object(fields)
        };
        let problems: Value = self.wrongs(accepted).into_iter().map(problem).collect();
        let taken: Value = self.taken(accepted).into_iter().map(problem).collect();
        let nodes: Value = accepted.conflicts.iter().map(|node| json!(node.as_str())).collect();
        let mut said = json!({
            "verified": self.is_whole(accepted),
            "gaps_accepted": accepted.gaps,
            "conflicts_accepted": nodes,
            "problems": problems,
            "accepted": taken,
        });
        let facts = self.audited.as_ref().map(Audited::json);
        if let (Some(said), Some(Value::Object(facts))) = (said.as_object_mut(), facts) {
            said.extend(facts);
        }
        said
    }
}

impl Audited {
    fn facts(&self) -> Vec<String> {
        let (report, chains) = (&self.report, &self.report.chains);
        let until = self.until.map_or_else(|| "nothing yet".to_owned(), |until| format!("until {}", Utc(until)));
        let ended = chains.values().filter(|chain| chain.ended).count();
        vec![
            format!("log         {}", escape(&report.origin)),
            format!("entries     {}, of which a checkpoint vouches for {}: {until}", report.entries, report.anchored),
            format!("chains      {}, of which {ended} ended", chains.len()),
            format!("segments    {}", self.segments()),
            format!("records     {}", report.records()),
            format!("sessions    {}", self.sessions),
        ]
    }

    fn segments(&self) -> u64 {
        self.report.chains.values().fold(0, |sum, chain| sum.saturating_add(chain.segments))
    }

    fn json(&self) -> Value {
        let Self { report, sessions, until } = self;
        let gaps = report
            .gaps
            .iter()
            .map(|gap| json!({"chain": gap.chain.to_string(), "first": gap.first, "last": gap.last.sequence}));
        let pending = report.pending.iter().map(|pending| {
            json!({"chain": pending.chain.to_string(), "first": pending.first, "last": pending.last.sequence})
        });
        let unanchored = report.unanchored.iter();
        let unanchored = unanchored.map(|segment| json!({"file": segment.path, "records": segment.records}));
        json!({
            "log": report.origin,
            "entries": report.entries,
            "anchored_entries": report.anchored,
            "anchored_until": until.map(|until| Utc(until).to_string()),
            "anchored_until_ms": until.map(|until| until.0),
            "chains": report.chains.len(),
            "chains_ended": report.chains.values().filter(|chain| chain.ended).count(),
            "segments": self.segments(),
            "records": report.records(),
            "sessions": sessions,
            "gaps": gaps.collect::<Value>(),
            "pending": pending.collect::<Value>(),
            "unanchored": unanchored.collect::<Value>(),
        })
    }
}

fn of_gap(gap: &Gap) -> String {
    format!("chain {}, records {} to {}: declared lost by the cluster", gap.chain, gap.first, gap.last.sequence)
}

fn of_finding(finding: &Finding) -> Wrong {
    let (file, what) = match finding {
        Finding::Stranger(path) => {
            (path.to_string_lossy().into_owned(), "does not belong into an evidence store".into())
        }
        Finding::Missing(file) => ((*file).to_owned(), "is missing".to_owned()),
        Finding::Unreadable(file, error) => (file.clone(), format!("cannot be read: {error}")),
        Finding::Failed(failed) => (super::store::CHECKPOINT.to_owned(), of_failed(failed)),
    };
    Wrong { place: escape(&file), what, fields: fields([("file", json!(file))]) }
}

fn of_failed(failed: &AuditFailed) -> String {
    match failed {
        AuditFailed::Checkpoint(why) => format!("nothing is verified: {why}"),
        AuditFailed::Kept(why) => format!("nothing is verified against the checkpoint that was kept elsewhere: {why}"),
    }
}

fn of_problem(Problem { place, fault }: &Problem) -> Wrong {
    let fields = match place {
        Place::Log { entry, offset } => {
            fields([("file", json!(super::store::ENTRIES)), ("entry", json!(entry)), ("offset", json!(offset))])
        }
        Place::Segment { path, record, offset } => {
            let chain = match StoreFile::parse(path) {
                Some(StoreFile::Segment(segment)) => Some(segment.chain.to_string()),
                Some(StoreFile::Entries | StoreFile::Checkpoint) | None => None,
            };
            let place = [("file", json!(path)), ("chain", json!(chain))];
            fields(place.into_iter().chain([("record", json!(record)), ("offset", json!(offset))]))
        }
        Place::Chain { chain, first, last } => {
            fields([("chain", json!(chain.to_string())), ("first", json!(first)), ("last", json!(last))])
        }
    };
    // Where it is broken is said already.
    let what = if let Fault::Broken(Broken::Record { what, .. }) = fault {
        format!("the record {what}")
    } else if let Fault::Broken(Broken::Seal { what, .. }) = fault {
        format!("the seal {what}")
    } else {
        fault.to_string()
    };
    Wrong { place: escape(&place.to_string()), what: escape(&what), fields }
}

fn fields(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
