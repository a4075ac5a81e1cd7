//! What people may do to the cluster: by the Roles of their teams, looked up anew for every call.

use hoop_model::spec::{Audience, Person, Right, Role};
use hoop_model::{Kind, Object, ResourceName, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The objects of one state, by kind and name.
pub(crate) type Objects = BTreeMap<(Kind, ResourceName), Arc<Object>>;

/// The rights without which nobody can give anybody any.
const KEEPING: [Right; 2] = [Right::Apply, Right::People];

/// Returns what members of some teams may.
pub(crate) fn rights_of<'a>(teams: &[ResourceName], objects: impl Iterator<Item = &'a Object>) -> BTreeSet<Right> {
    let roles = objects
        .filter_map(|object| object.spec.get::<Role>())
        .filter(|role| role.teams.iter().any(|team| teams.contains(team)));
    roles.flat_map(|role| role.rights.iter().copied()).collect()
}

/// Returns why a caller with these rights may not make this change of what people may, if so: it would give somebody a
/// right that the caller does not have, or leave nobody who could give one. `has` is asked for each right in question.
pub(crate) fn escalation(before: &Objects, after: &Objects, has: impl Fn(Right) -> bool) -> Vec<String> {
    let is_about_people =
        |objects: &Objects| objects.values().filter(|object| is_about_people(object)).cloned().collect();
    let (were, are): (Vec<_>, Vec<_>) = (is_about_people(before), is_about_people(after));
    if were == are {
        return Vec::new();
    }
    if !has(Right::People) {
        return vec![format!("the right `{}` is needed to change who people are and what they may", Right::People)];
    }
    let mut problems = Vec::new();
    for (name, person) in people(after) {
        let given: BTreeSet<_> = rights(person, after);
        // Whoever could be somebody else now has everything given anew.
        let had = who_was(name, person, before, after).map(|was| rights(was, before)).unwrap_or_default();
        if let Some(right) = given.difference(&had).find(|right| !has(**right)) {
            problems.push(format!("Person `{name}` would get the right `{right}`, which you do not have"));
        }
    }
    if has_keeper(before) && !has_keeper(after) {
        let [apply, people] = KEEPING;
        problems.push(format!("nobody would have `{apply}` and `{people}` any more; give them to somebody first"));
    }
    problems
}

fn is_about_people(object: &Object) -> bool {
    match &object.spec {
        Spec::Person(_) | Spec::Role(_) => true,
        Spec::Issuer(issuer) => issuer.audience == Audience::People,
        Spec::Identity(_) | Spec::Connection(_) | Spec::Policy(_) | Spec::Secret(_) | Spec::DataClass(_) => false,
    }
}

/// Returns the person as they were, if the same tokens stand for them as before.
fn who_was<'a>(name: &ResourceName, person: &Person, before: &'a Objects, after: &Objects) -> Option<&'a Person> {
    let issuer =
        |objects: &Objects| objects.get(&(Kind::Issuer, person.issuer.clone())).map(|object| object.spec.clone());
    let (_, was) = people(before).find(|(known, _)| *known == name)?;
    let is_same = was.issuer == person.issuer && was.claims == person.claims && issuer(before) == issuer(after);
    is_same.then_some(was)
}

fn rights(person: &Person, objects: &Objects) -> BTreeSet<Right> {
    if person.suspended { BTreeSet::new() } else { rights_of(&person.teams, objects.values().map(AsRef::as_ref)) }
}

fn has_keeper(objects: &Objects) -> bool {
    people(objects).any(|(_, person)| KEEPING.iter().all(|right| rights(person, objects).contains(right)))
}

fn people(objects: &Objects) -> impl Iterator<Item = (&ResourceName, &Person)> {
    objects.values().filter_map(|object| Some((&object.metadata.name, object.spec.get()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::spec::{Algorithm, ClaimCondition, Issuer, KeySource};
    use hoop_model::{Metadata, Revision, Uid};
    use std::time::Duration;

    fn name(text: &str) -> ResourceName {
        ResourceName::parse(text).unwrap()
    }

    fn world(specs: &[(&str, Spec)]) -> Objects {
        let issuer = |keys: &str| {
            Spec::Issuer(Issuer {
                audience: Audience::People,
                url: "https://staff.test".into(),
                audiences: vec!["a".into()],
                algorithms: vec![Algorithm::ES256],
                max_token_lifetime: Duration::from_secs(60),
                token_type: None,
                jwks: KeySource::Keys(keys.into()),
                ca: None,
            })
        };
        let all = [("staff", issuer("{}"))].into_iter().chain(specs.iter().map(|(name, spec)| (*name, spec.clone())));
        let objects = all.map(|(text, spec)| {
            let metadata =
                Metadata { name: name(text), uid: Uid::mint(1), generation: 1, revision: Revision::default() };
            ((spec.kind(), name(text)), Arc::new(Object { metadata, spec }))
        });
        objects.collect()
    }

    fn person(sub: &str, teams: &[&str]) -> Spec {
        let claims = [("sub".to_owned(), ClaimCondition::Equals(sub.into()))].into();
        let teams = teams.iter().map(|team| name(team)).collect();
        Spec::Person(Person { issuer: name("staff"), claims, teams, suspended: false })
    }

    fn role(team: &str, rights: &[Right]) -> Spec {
        Spec::Role(Role { teams: vec![name(team)], rights: rights.into() })
    }

    const KEEPER: [Right; 3] = [Right::Apply, Right::People, Right::Read];

    fn begun() -> Vec<(&'static str, Spec)> {
        vec![
            ("ann", person("ann", &["root"])),
            ("bob", person("bob", &["ops"])),
            ("root", role("root", Right::ALL)),
            ("ops", role("ops", &KEEPER)),
        ]
    }

    fn changed(name: &'static str, spec: Spec) -> Objects {
        let mut specs = begun();
        specs.retain(|(known, _)| *known != name);
        specs.push((name, spec));
        world(&specs)
    }

    #[test]
    fn cp_11_nobody_gives_what_they_do_not_have_by_any_way() {
        let before = world(&begun());
        let bob = |right| KEEPER.contains(&right);
        let forbidden = [
            ("a role of one's own gets more", changed("ops", role("ops", Right::ALL))),
            ("a new role", changed("more", role("ops", &[Right::SetSecret]))),
            ("a team of one's own", changed("bob", person("bob", &["ops", "root"]))),
            ("somebody else becomes who has more", changed("ann", person("bob-too", &["root"]))),
            ("a new person with more", changed("eve", person("eve", &["root"]))),
            ("a role for a team of many", changed("root", role("ops", Right::ALL))),
        ];
        for (way, after) in forbidden {
            assert!(!escalation(&before, &after, bob).is_empty(), "{way}");
            assert_eq!(escalation(&before, &after, |_| true), Vec::<String>::new(), "{way}");
        }
        let mut other_keys = world(&begun());
        let key = (Kind::Issuer, name("staff"));
        let Spec::Issuer(issuer) = &other_keys[&key].spec else { panic!("no issuer") };
        let issuer = Issuer { jwks: KeySource::Keys("{\"keys\":[]}".into()), ..issuer.clone() };
        let metadata = other_keys[&key].metadata.clone();
        other_keys.insert(key, Arc::new(Object { metadata, spec: Spec::Issuer(issuer) }));
        assert!(!escalation(&before, &other_keys, bob).is_empty(), "whoever vouches for people can be any of them");
        let allowed = [
            ("what one has", changed("eve", person("eve", &["ops"]))),
            ("less", changed("ops", role("ops", &[Right::Apply, Right::People]))),
            ("a team without rights", changed("bob", person("bob", &["ops", "on-call"]))),
        ];
        for (way, after) in allowed {
            assert_eq!(escalation(&before, &after, bob), Vec::<String>::new(), "{way}");
            assert!(!escalation(&before, &after, |right| right == Right::Apply).is_empty(), "{way}");
        }
        assert_eq!(escalation(&before, &before, |_| false), Vec::<String>::new(), "nothing about people changed");
    }

    #[test]
    fn cp_11_the_last_who_can_give_rights_stays() {
        let one = vec![("ann", person("ann", &["root"])), ("root", role("root", Right::ALL))];
        let before = world(&one);
        let suspended = Spec::Person(Person { suspended: true, ..of(&one[0].1) });
        for after in [
            world(&one[..1]),
            world(&one[1..]),
            world(&[one[0].clone(), ("root", role("root", &[Right::Apply, Right::Read]))]),
            world(&[("ann", suspended), one[1].clone()]),
        ] {
            let problems = escalation(&before, &after, |_| true);
            assert!(problems.iter().any(|problem| problem.starts_with("nobody would have")), "{problems:?}");
        }
        assert_eq!(escalation(&world(&[]), &world(&one[..1]), |_| true), Vec::<String>::new(), "there was nobody yet");
    }

    fn of(spec: &Spec) -> Person {
        let Spec::Person(person) = spec else { panic!("not a person") };
        person.clone()
    }
}
