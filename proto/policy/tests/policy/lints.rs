//! Forbids that are easily passed by.

use crate::support::name;
use hoop_policy::lint;

fn warnings(cedar: &str) -> Vec<(usize, usize, String)> {
    lint(&name("p"), cedar).into_iter().map(|w| (w.line, w.column, w.message)).collect()
}

fn of_condition(condition: &str) -> Vec<String> {
    let cedar = format!("forbid(principal, action in Hoop::Action::\"read\", resource) {condition};");
    warnings(&cedar).into_iter().map(|(_, _, message)| message).collect()
}

const MAIN: &str = "principal.getTag(\"ref\").contains(\"main\")";

#[test]
fn a_forbid_that_a_missing_claim_disables_is_pointed_out() {
    for condition in [
        format!("when {{ principal.hasTag(\"ref\") && {MAIN} }}"),
        format!("when {{ context.path like \"/a*\" && (principal.hasTag(\"ref\") && !({MAIN})) }}"),
        "when { context.path like \"/a*\" } when { principal.hasTag(\"ref\") } unless { context.path like \"/b*\" }"
            .to_owned(),
        format!("when {{ if principal.hasTag(\"ref\") then {MAIN} else false }}"),
        format!("unless {{ !principal.hasTag(\"ref\") || {MAIN} }}"),
        "unless { !principal.hasTag(\"ref\") }".to_owned(),
    ] {
        let found = of_condition(&condition);
        assert_eq!(found.len(), 1, "{condition}: {found:?}");
        assert!(found[0].starts_with("a token without the claim `ref` passes this forbid"), "{found:?}");
    }
    for condition in [
        String::new(),
        format!("unless {{ principal.hasTag(\"ref\") && {MAIN} }}"),
        format!("when {{ !(principal.hasTag(\"ref\") && {MAIN}) }}"),
        format!("when {{ !principal.hasTag(\"ref\") || {MAIN} }}"),
        format!("when {{ (principal.hasTag(\"ref\") && {MAIN}) || context.path like \"/a*\" }}"),
        format!("when {{ if principal.hasTag(\"ref\") then {MAIN} else true }}"),
        "when { principal.hasTag(context.path) }".to_owned(),
    ] {
        assert_eq!(of_condition(&condition), Vec::<String>::new(), "{condition}");
    }
    let either = "when { principal.hasTag(\"a\") || principal.hasTag(\"b\") }";
    assert_eq!(of_condition(either), Vec::<String>::new(), "no claim alone disables it");
    assert_eq!(of_condition("when { principal.hasTag(\"a\") && principal.hasTag(\"b\") }").len(), 2);
}

#[test]
fn a_forbid_on_paths_that_are_spelled_out_is_pointed_out() {
    for condition in [
        "when { context.path == \"/admin\" }",
        "when { \"/admin\" == context.path && context.method == \"GET\" }",
        "when { context.path == \"/a\" || context.path == \"/b\" }",
        "when { [\"/a\", \"/b\"].contains(context.path) }",
        "when { context.path like \"/admin\" }",
        "unless { context.path != \"/admin\" }",
    ] {
        let found = of_condition(condition);
        assert_eq!(found.len(), 1, "{condition}: {found:?}");
        assert!(found[0].starts_with("only paths that are spelled out"), "{found:?}");
    }
    for condition in [
        "unless { context.path == \"/health\" }",
        "unless { [\"/a\", \"/b\"].contains(context.path) }",
        "when { context.path != \"/health\" }",
        "when { context.path like \"/admin*\" }",
        "when { context.path == \"/admin\" || context.path like \"/admin/*\" }",
        "when { context.segments.contains(\"admin\") }",
        "when { context.method == \"GET\" }",
        "when { [\"GET\"].contains(context.method) }",
    ] {
        assert_eq!(of_condition(condition), Vec::<String>::new(), "{condition}");
    }
}

#[test]
fn a_warning_says_where_and_holds_are_forbids() {
    let cedar = "permit(principal, action, resource) when { context.path == \"/\" && principal.hasTag(\"x\") };\n\n\
        @hold(\"dba\")\nforbid(principal, action in Hoop::Action::\"read\", resource)\n  when { principal.hasTag ( \"a\" ) };\n\
        @mode(\"shadow\") forbid(principal, action in Hoop::Action::\"read\", resource) when { context.path == \"/é\" };";
    let found: Vec<_> = warnings(cedar).into_iter().map(|(line, column, _)| (line, column)).collect();
    assert_eq!(found, [(5, 20), (6, 84)]);
    let shown = lint(&name("p"), cedar)[0].to_string();
    assert!(shown.starts_with("policy `p`, line 5, column 20: a token without the claim `a`"), "{shown}");
    assert_eq!(lint(&name("p"), "forbid(principal"), []);
}
