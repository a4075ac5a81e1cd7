//! The closed vocabulary of annotations. A misspelt `@hold` must not become a plain forbid, nor a plain forbid a no-op.

use super::Mode;
use crate::text::Problem;
use cedar_policy::{Effect, Policy};
use hoop_model::{ResourceName, parse_span};
use std::time::Duration;

const MAX_ID_BYTES: usize = 64;
/// Longest `@message`, in bytes; it goes to callers as it is.
const MAX_MESSAGE_BYTES: usize = 512;
const MAX_QUORUM: u32 = 10;
const DEFAULT_EXPIRY: Duration = Duration::from_secs(15 * 60);
const MAX_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// What a statement's annotations say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) id: Option<Box<str>>,
    pub(crate) message: Option<Box<str>>,
    pub(crate) mode: Mode,
    pub(crate) hold: Option<Hold>,
}

/// What `@hold`, `@quorum` and `@expires` say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) team: ResourceName,
    pub(crate) quorum: u32,
    pub(crate) expires: Duration,
}

impl Notes {
    pub(crate) fn read(policy: &Policy, text: &str) -> Result<Self, Vec<Problem>> {
        let mut notes = Self { id: None, message: None, mode: Mode::Enforced, hold: None };
        let mut team = None;
        let mut quorum = None;
        let mut expires = None;
        let mut problems = Vec::new();
        for (key, value) in policy.annotations() {
            let read = match key {
                "id" => id(value).map(|id| notes.id = Some(id)),
                "message" => message(value).map(|message| notes.message = Some(message)),
                "mode" => mode(value).map(|mode| notes.mode = mode),
                "hold" => team_name(value).map(|name| team = Some(name)),
                "quorum" => number(value).map(|number| quorum = Some(number)),
                "expires" => expiry(value).map(|span| expires = Some(span)),
                _ => Err("is not an annotation: they are `@id @message @mode @hold @quorum @expires`"),
            };
            let belongs = match (key, policy.effect()) {
                ("hold" | "quorum" | "expires", Effect::Permit) => Err("belongs on a forbid only"),
                ("quorum" | "expires", Effect::Forbid) if policy.annotation("hold").is_none() => {
                    Err("says nothing without `@hold`")
                }
                (_, Effect::Permit | Effect::Forbid) => Ok(()),
            };
            if let Err(problem) = read.and(belongs) {
                let at = text.find(&format!("@{key}")).unwrap_or(0);
                problems.push(Problem::new(at, format!("`@{key}` {problem}")));
            }
        }
        notes.hold = team.map(|team| {
            let (quorum, expires) = (quorum.unwrap_or(1), expires.unwrap_or(DEFAULT_EXPIRY));
            Hold { team, quorum, expires }
        });
        if problems.is_empty() { Ok(notes) } else { Err(problems) }
    }
}

fn id(value: &str) -> Result<Box<str>, &'static str> {
    let fits = (1..=MAX_ID_BYTES).contains(&value.len());
    let spelled = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits && spelled { Ok(value.into()) } else { Err("must be 1 to 64 letters, digits, `-`, `_` and `.`") }
}

fn message(value: &str) -> Result<Box<str>, &'static str> {
    let fits = (1..=MAX_MESSAGE_BYTES).contains(&value.len());
    if fits && !value.contains(char::is_control) {
        Ok(value.into())
    } else {
        Err("must be 1 to 512 bytes without control characters")
    }
}

fn mode(value: &str) -> Result<Mode, &'static str> {
    if value == "shadow" { Ok(Mode::Shadow) } else { Err("must be `shadow`; without it a statement is enforced") }
}

fn team_name(value: &str) -> Result<ResourceName, &'static str> {
    ResourceName::parse(value).map_err(|_| "must name a team: 1 to 63 of `a-z`, `0-9` and `-`")
}

fn number(value: &str) -> Result<u32, &'static str> {
    // One spelling per number: no sign, no leading zero.
    let number = value.parse().ok().filter(|number: &u32| number.to_string() == value);
    number.filter(|number| (1..=MAX_QUORUM).contains(number)).ok_or("must be a number of people from 1 to 10")
}

fn expiry(value: &str) -> Result<Duration, &'static str> {
    let span = parse_span(value).ok().filter(|span| (Duration::from_secs(1)..=MAX_EXPIRY).contains(span));
    span.ok_or("must be a span of time from `1s` to `24h`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Notes, Vec<String>> {
        let policy = Policy::parse(None, text).unwrap();
        Notes::read(&policy, text).map_err(|problems| problems.into_iter().map(|p| p.message).collect())
    }

    #[test]
    fn a_hold_names_its_team_and_has_defaults() {
        let team = || ResourceName::parse("on-call").unwrap();
        let hold = |text: &str| read(&format!("{text} forbid(principal, action, resource);")).unwrap().hold.unwrap();
        assert_eq!(hold("@hold(\"on-call\")"), Hold { team: team(), quorum: 1, expires: Duration::from_secs(900) });
        assert_eq!(
            hold("@expires(\"24h\") @quorum(\"10\") @hold(\"on-call\")"),
            Hold { team: team(), quorum: 10, expires: Duration::from_secs(86400) }
        );
    }

    #[test]
    fn notes_stand_on_either_effect() {
        for effect in ["permit", "forbid"] {
            let text =
                format!("@id(\"a.B-1_\") @message(\"läuft\") @mode(\"shadow\") {effect}(principal, action, resource);");
            let expected =
                Notes { id: Some("a.B-1_".into()), message: Some("läuft".into()), mode: Mode::Shadow, hold: None };
            assert_eq!(read(&text), Ok(expected));
        }
    }

    #[test]
    fn the_vocabulary_is_closed() {
        let on = |effect: &str, notes: &str| read(&format!("{notes} {effect}(principal, action, resource);"));
        let wrong = [
            ("forbid", "@hold"),
            ("forbid", "@hold(\"\")"),
            ("forbid", "@hold(\"On Call\")"),
            ("forbid", "@Hold(\"on-call\")"),
            ("forbid", "@holds(\"on-call\")"),
            ("forbid", "@hold(\"a\") @quorum(\"0\")"),
            ("forbid", "@hold(\"a\") @quorum(\"11\")"),
            ("forbid", "@hold(\"a\") @quorum(\"+1\")"),
            ("forbid", "@hold(\"a\") @quorum(\"01\")"),
            ("forbid", "@hold(\"a\") @quorum(\"two\")"),
            ("forbid", "@hold(\"a\") @quorum"),
            ("forbid", "@hold(\"a\") @expires(\"0s\")"),
            ("forbid", "@hold(\"a\") @expires(\"999ms\")"),
            ("forbid", "@hold(\"a\") @expires(\"25h\")"),
            ("forbid", "@hold(\"a\") @expires(\"15\")"),
            ("forbid", "@quorum(\"2\")"),
            ("forbid", "@expires(\"1h\")"),
            ("permit", "@hold(\"a\")"),
            ("permit", "@quorum(\"1\")"),
            ("permit", "@expires(\"1h\")"),
            ("permit", "@mode(\"enforce\")"),
            ("forbid", "@mode(\"Shadow\")"),
            ("forbid", "@mode"),
            ("permit", "@id"),
            ("permit", "@id(\"a/b\")"),
            ("permit", "@id(\"\u{e9}\")"),
            ("permit", "@message(\"\")"),
            ("permit", "@message(\"a\\nb\")"),
            ("permit", "@description(\"x\")"),
        ];
        for (effect, notes) in wrong {
            assert_eq!(on(effect, notes).map_err(|problems| problems.len()), Err(1), "{notes} {effect}");
        }
        let long = format!("@message(\"{}\")", "x".repeat(513));
        assert!(on("permit", &long).is_err());
    }
}
