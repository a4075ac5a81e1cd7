//! Whoever a policy holds for is there.

use crate::support::{name, person, world};
use hoop_policy::{CompileError, Reference, World, check, validate, validate_in};

const HELD: &str = "permit(principal, action, resource);\n@id(\"h\") @hold(\"dba\") @quorum(\"2\")\nforbid(principal, action in Hoop::Action::\"write\", resource);";

/// What is wrong with a text where these persons are, each in `dba` and perhaps suspended.
fn mistakes(cedar: &str, people: &[(&str, bool)]) -> Vec<(usize, usize, String)> {
    let mut objects = world(cedar);
    objects.extend(people.iter().map(|(text, suspended)| person(text, &["dba", "dba", "reviewers"], *suspended)));
    assert_eq!(validate(&objects), Ok(()), "nothing is demanded of teams unasked");
    let errors = validate_in(&objects, &World::of(&objects).demanding_teams()).err().unwrap_or_default();
    errors.into_iter().map(|CompileError { line, column, message, .. }| (line, column, message)).collect()
}

#[test]
fn a_held_command_has_somebody_to_release_it() {
    let nobody = "there is no team `dba`: no Person who could vote is in it".to_owned();
    assert_eq!(mistakes(HELD, &[]), [(2, 10, nobody.clone())]);
    assert_eq!(mistakes(HELD, &[("ada", true), ("bob", true)]), [(2, 10, nobody)]);
    let few = "`@quorum` asks for 2 people, and team `dba` has 1 who could vote".to_owned();
    assert_eq!(mistakes(HELD, &[("ada", false)]), [(2, 23, few.clone())], "in the team twice is one vote");
    assert_eq!(mistakes(HELD, &[("ada", false), ("bob", true)]), [(2, 23, few)]);
    assert_eq!(mistakes(HELD, &[("ada", false), ("bob", false)]), []);
    let of_others = HELD.replace("dba", "on-call");
    assert_eq!(mistakes(&of_others, &[("ada", false), ("bob", false)]).len(), 1);
    let shadow = HELD.replace("@id(\"h\")", "@mode(\"shadow\")");
    assert_eq!(mistakes(&shadow, &[]).len(), 1, "also before it is enforced");
    assert_eq!(mistakes("forbid(principal, action, resource);", &[]), []);
}

#[test]
fn a_team_exists_when_somebody_who_is_not_suspended_is_in_it() {
    let mut objects = world("permit(principal, action, resource);");
    objects.extend([person("ada", &["dba"], false), person("bob", &["gone"], true)]);
    let world = World::of(&objects);
    let has = |entity_type: &str, id: &str| world.has(&Reference { entity_type: entity_type.into(), id: id.into() });
    assert!(has("Hoop::Team", "dba") && has("Hoop::Person", "ada") && has("Hoop::Person", "bob"));
    assert!(!has("Hoop::Team", "gone") && !has("Hoop::Team", "on-call") && !has("Hoop::Group", "dba"));
    let forbid = |team: &str| {
        let cedar = format!(
            "forbid(principal in Hoop::Team::\"{team}\", action == Hoop::Action::\"approve\", resource in Hoop::Connection::\"react\");"
        );
        check(&name("p"), &cedar, &world).map(|references| references.len())
    };
    assert_eq!(forbid("dba"), Ok(3));
    assert!(forbid("gone").unwrap_err()[0].message.contains("there is no `Hoop::Team::\"gone\"`"));
}
