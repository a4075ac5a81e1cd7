//! Which classes a caller is shown: only a permit that names `reveal` shows one, and everything else masks.

use crate::support::{AT, name, subject, world};
use hoop_model::spec::{ClassName, DataClass};
use hoop_policy::mask::{MaskKey, MaskPlan, MaskedCounts};
use hoop_policy::{Ending, Rules, Subject, VerdictCache, validate};
use std::sync::Arc;

const TEXT: &str = "a@b.co 4111111111111111";
const AGENTS: &str = "principal in Hoop::Group::\"agents\", action == Hoop::Action::\"reveal\"";

fn plan(credentials: &[&[u8]]) -> Arc<MaskPlan> {
    Arc::new(MaskPlan::compile(None, [], credentials, MaskKey::new(&[7; 32])).unwrap())
}

fn valid(cedar: &str) -> Rules {
    assert_eq!(validate(&world(cedar)), Ok(()), "{cedar}");
    Rules::compile(&world(cedar), AT, None).unwrap()
}

/// What the subject sees of the text on a connection.
fn seen(rules: &Rules, subject: &Subject, connection: &str) -> String {
    let plan = plan(&[]);
    let view = rules.view(&mut VerdictCache::new(), subject, &name(connection), &plan);
    let masked = view.unwrap_or(plan).mask_text(TEXT.as_bytes(), &mut MaskedCounts::default());
    masked.map_or_else(|| TEXT.to_owned(), |masked| String::from_utf8(masked).unwrap())
}

const NOTHING: &str = "[masked:pii.email] [masked:pii.payment_card]";
const ADDRESS: &str = "a@b.co [masked:pii.payment_card]";

#[test]
fn a_class_is_shown_only_by_a_permit_that_names_reveal() {
    let email = format!("permit ({AGENTS}, resource == Hoop::DataClass::\"pii.email\");");
    let scoped = |condition: &str| email.replace(';', &format!(" when {{ {condition} }};"));
    for (cedar, expected) in [
        (email.clone(), ADDRESS),
        (email.replace("== Hoop::DataClass", "in Hoop::DataClass"), ADDRESS),
        (format!("permit ({AGENTS}, resource in Hoop::DataClass::\"pii\");"), TEXT),
        (format!("permit ({AGENTS}, resource);"), TEXT),
        (scoped("context.connection == Hoop::Connection::\"react\""), ADDRESS),
        (scoped("context.connection == Hoop::Connection::\"bare\""), NOTHING),
        (scoped("principal.hasTag(\"ref\") && principal.getTag(\"ref\").contains(\"main\")"), ADDRESS),
        (scoped("principal.hasTag(\"ref\") && principal.getTag(\"ref\").contains(\"other\")"), NOTHING),
        (email.replace("Group::\"agents\"", "Environment::\"production\""), ADDRESS),
        (format!("@mode(\"shadow\") {email}"), NOTHING),
        // It leaves the action open: whoever wrote it need not have thought of this.
        ("permit (principal, action, resource);".to_owned(), NOTHING),
        // No permit at all.
        ("forbid (principal, action == Hoop::Action::\"http:DELETE\", resource);".to_owned(), NOTHING),
    ] {
        assert_eq!(seen(&valid(&cedar), &subject(&[("ref", &["main"])]), "react"), expected, "{cedar}");
    }
    assert_eq!(seen(&valid(&email), &subject(&[]), "nowhere"), NOTHING, "a connection that is not there");
    let other = Subject { groups: Vec::new(), ..subject(&[]) };
    assert_eq!(seen(&valid(&email), &other, "react"), NOTHING);
}

#[test]
fn a_forbid_wins_and_so_does_an_error_in_one() {
    let permit = format!("permit ({AGENTS}, resource);");
    for (forbid, expected) in [
        (
            "forbid (principal, action == Hoop::Action::\"reveal\", resource == Hoop::DataClass::\"pii.payment_card\");",
            ADDRESS,
        ),
        ("forbid (principal, action, resource) when { context.connection == Hoop::Connection::\"react\" };", NOTHING),
        ("forbid (principal, action, resource);", NOTHING),
    ] {
        let rules = Rules::compile(&world(&(permit.clone() + forbid)), AT, None).unwrap();
        assert_eq!(seen(&rules, &subject(&[]), "react"), expected, "{forbid}");
    }
    let overflow = "principal.hasTag(\"n\") && 9223372036854775807 + 1 > 0";
    let fails = format!("forbid (principal, action == Hoop::Action::\"reveal\", resource) when {{ {overflow} }};");
    let rules = valid(&(permit.clone() + &fails));
    assert_eq!(seen(&rules, &subject(&[]), "react"), TEXT);
    assert_eq!(seen(&rules, &subject(&[("n", &["1"])]), "react"), NOTHING, "an error masks");
    let rules = valid(&permit.replace(';', &format!(" when {{ {overflow} }};")));
    assert_eq!(seen(&rules, &subject(&[("n", &["1"])]), "react"), NOTHING, "also that of a permit");
}

#[test]
fn an_injected_credential_is_shown_to_nobody() {
    let rules = valid(&format!("permit ({AGENTS}, resource);"));
    let plan = plan(&[b"s3cr3t-4711"]);
    let view = rules.view(&mut VerdictCache::new(), &subject(&[]), &name("react"), &plan).unwrap();
    let masked = view.mask_text(b"a@b.co s3cr3t-4711", &mut MaskedCounts::default()).unwrap();
    assert_eq!(masked, b"a@b.co [masked:secret.injected]");
    assert!(!rules.explain_reveal(&subject(&[]), &name("react"), &ClassName::injected()).clear);
    let named = format!("permit ({AGENTS}, resource == Hoop::DataClass::\"secret.injected\");");
    let errors = validate(&world(&named)).unwrap_err();
    assert!(errors[0].to_string().contains("there is no `Hoop::DataClass::\"secret.injected\"`"), "{errors:?}");
}

#[test]
fn a_policy_can_only_name_classes_that_there_are() {
    let declared: DataClass =
        serde_json::from_str(r#"{"class":"hr.staff.id","recognise":{"fields":["staff"]},"transform":"redact"}"#)
            .unwrap();
    for (class, exists) in
        [("pii", true), ("secret.jwt", true), ("pii.emial", false), ("hr", true), ("hr.staff", true), ("hr.s", false)]
    {
        let mut objects = world(&format!("permit ({AGENTS}, resource in Hoop::DataClass::\"{class}\");"));
        objects.push(crate::support::object("staff", 9, hoop_model::Spec::DataClass(declared.clone())));
        assert_eq!(validate(&objects).is_ok(), exists, "{class}");
    }
}

#[test]
fn one_view_is_made_for_all_who_see_the_same() {
    let rules = valid(&format!("permit ({AGENTS}, resource == Hoop::DataClass::\"pii.email\");"));
    let (mut cache, plan) = (VerdictCache::new(), plan(&[]));
    let mut view = |subject: &Subject| rules.view(&mut cache, subject, &name("react"), &plan).unwrap();
    let first = view(&subject(&[("ref", &["a"])]));
    assert!(Arc::ptr_eq(&first, &view(&subject(&[("ref", &["b"])]))));
    assert_eq!(first.revealed().map(ToString::to_string).collect::<Vec<_>>(), ["pii.email"]);
}

#[test]
fn an_explanation_says_who_decided() {
    let rules = valid(&format!("@id(\"mail\") permit ({AGENTS}, resource == Hoop::DataClass::\"pii.email\");"));
    let ask = |class: &str| rules.explain_reveal(&subject(&[]), &name("react"), &ClassName::parse(class).unwrap());
    let shown = ask("pii.email");
    assert!(shown.clear);
    assert_eq!(
        (&*shown.statements[0].policy.statement, &shown.statements[0].ending),
        ("rules/mail", &Ending::Satisfied)
    );
    let masked = ask("pii.payment_card");
    assert!(!masked.clear && masked.statements.is_empty());
}
