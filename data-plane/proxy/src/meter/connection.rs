//! What one shard counts of one connection.

use hoop_audit::Outcome;
use hoop_model::{Code, Fault};
use hoop_node::telemetry::metrics::{Counter, Distribution, Histogram};
use http::StatusCode;
use std::array;
use std::time::Duration;

/// What a command's verdict was, if it came to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Unjudged,
    Allow,
    Refuse,
    Hold,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its caller went away before there was an answer.
    Abandoned,
    /// The backend answered.
    Answered,
    /// The gateway did, with a reason.
    Refused(Code),
}

const WORDS: [Word; 4] = [Word::Unjudged, Word::Allow, Word::Refuse, Word::Hold];
/// Every code, and two endings without one.
const ENDINGS: usize = Code::ALL.len() + 2;
/// 1xx to 5xx.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The cells. INVARIANT: only the shard that they belong to changes them.
pub(crate) struct ConnectionMeter {
    commands: [[Counter; ENDINGS]; WORDS.len()],
    responses: [Counter; CLASSES.len()],
    broken_off: Counter,
    duration: Histogram,
    added: Histogram,
}

/// What the cells of several shards come to.
#[derive(Default)]
pub(super) struct Sum {
    commands: Vec<(Word, Ending, u64)>,
    responses: [u64; CLASSES.len()],
    broken_off: u64,
    pub(super) duration: Distribution,
    pub(super) added: Distribution,
}

impl Default for ConnectionMeter {
    fn default() -> Self {
        Self {
            commands: array::from_fn(|_| array::from_fn(|_| Counter::default())),
            responses: array::from_fn(|_| Counter::default()),
            broken_off: Counter::default(),
            duration: Histogram::default(),
            added: Histogram::default(),
        }
    }
}

impl Word {
    pub(super) const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Allow => Self::Allow,
            Outcome::Refuse(_) => Self::Refuse,
            Outcome::Hold(_) => Self::Hold,
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Unjudged => "none",
            Self::Allow => "allow",
            Self::Refuse => "refuse",
            Self::Hold => "hold",
        }
    }
}

impl Ending {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Abandoned, Self::Answered].into_iter().chain(Code::ALL.iter().map(|code| Self::Refused(*code)))
    }

    /// Its place in what [`Ending::all`] returns.
    const fn place(self) -> usize {
        match self {
            Self::Abandoned => 0,
            Self::Answered => 1,
            Self::Refused(code) => 2 + code as usize,
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Answered => "none",
            Self::Refused(code) => code.as_str(),
        }
    }

    /// Whether the backend is why.
    pub(super) const fn is_upstreams(self) -> bool {
        match self {
            Self::Refused(code) => matches!(code.fault(), Fault::Upstream | Fault::UpstreamTimeout),
            Self::Abandoned | Self::Answered => false,
        }
    }
}

impl ConnectionMeter {
    pub(super) fn command(&self, word: Word, ending: Ending) {
        if let Some(count) = self.commands.get(word as usize).and_then(|endings| endings.get(ending.place())) {
            count.increment();
        }
    }

    pub(super) fn response(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(count) = class.checked_sub(1).and_then(|class| self.responses.get(class)) {
            count.increment();
        }
    }

    /// Notes that a backend did not finish its answer.
    pub(super) fn broke_off(&self) {
        self.broken_off.increment();
    }

    /// Notes how long a command took in all.
    pub(super) fn took(&self, duration: Duration) {
        self.duration.observe(duration);
    }

    /// Notes how much of it the gateway took.
    pub(super) fn added(&self, duration: Duration) {
        self.added.observe(duration);
    }

    /// Adds what was counted.
    pub(super) fn add_to(&self, sum: &mut Sum) {
        for (word, endings) in WORDS.into_iter().zip(&self.commands) {
            for (ending, count) in Ending::all().zip(endings).filter(|(_, count)| count.read() > 0) {
                match sum.commands.iter_mut().find(|(w, e, _)| (*w, *e) == (word, ending)) {
                    Some((_, _, known)) => *known = known.saturating_add(count.read()),
                    None => sum.commands.push((word, ending, count.read())),
                }
            }
        }
        sum.responses.iter_mut().zip(&self.responses).for_each(|(sum, count)| *sum = sum.saturating_add(count.read()));
        sum.broken_off = sum.broken_off.saturating_add(self.broken_off.read());
        sum.duration.add(&self.duration.read());
        sum.added.add(&self.added.read());
    }
}

impl Sum {
    /// Returns how many commands came to each verdict and ending, where there are any.
    pub(super) fn commands(&self) -> impl Iterator<Item = (Word, Ending, u64)> {
        self.commands.iter().copied()
    }

    /// Returns how many responses there were of each class of status.
    pub(super) fn responses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CLASSES.into_iter().zip(self.responses).filter(|(_, count)| *count > 0)
    }

    /// Returns how often the backend was why there was no whole answer, by the reason.
    pub(super) fn upstream_errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = Ending::all().filter(|ending| ending.is_upstreams()).map(|ending| {
            let of_it = self.commands.iter().filter(move |(_, e, _)| *e == ending);
            (ending.label(), of_it.map(|(_, _, count)| count).sum())
        });
        refused.chain([("broken_off", self.broken_off)]).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_every_ending_has_its_own_cell() {
        let cells = ConnectionMeter::default();
        let all: Vec<_> = WORDS.into_iter().flat_map(|word| Ending::all().map(move |ending| (word, ending))).collect();
        for (times, (word, ending)) in all.iter().enumerate() {
            (0..=times).for_each(|_| cells.command(*word, *ending));
        }
        let mut sum = Sum::default();
        cells.add_to(&mut sum);
        let counted: Vec<_> = sum.commands().collect();
        let expected = all.iter().enumerate().map(|(times, (word, ending))| (*word, *ending, times as u64 + 1));
        assert_eq!(counted, expected.collect::<Vec<_>>());
        assert_eq!(ENDINGS, Ending::all().count());
    }

    #[test]
    fn what_backends_do_wrong_is_told_apart() {
        let cells = ConnectionMeter::default();
        cells.command(Word::Allow, Ending::Refused(Code::UpstreamTimeout));
        cells.command(Word::Hold, Ending::Refused(Code::UpstreamTimeout));
        cells.command(Word::Allow, Ending::Refused(Code::LeaseExpired));
        cells.command(Word::Allow, Ending::Answered);
        cells.broke_off();
        let mut sum = Sum::default();
        cells.add_to(&mut sum);
        assert_eq!(sum.upstream_errors().collect::<Vec<_>>(), [("upstream_timeout", 2), ("broken_off", 1)]);
    }
}
