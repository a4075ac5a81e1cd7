//! Documents: `apiVersion: hoop/v1, kind, metadata.name, spec`.

use super::ManifestError;
use super::yaml::{self, Parsed, Places};
use hoop_model::{Kind, ResourceName, Spec, spec};
use serde::Deserialize;
use serde_json::Value;

/// A resource as written: what the control plane will be asked to make true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) name: ResourceName,
    pub(crate) spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    api_version: String,
    kind: String,
    metadata: Named,
    spec: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: ResourceName,
}

/// Reads every document of a file.
///
/// # Errors
/// [`ManifestError`] for the first thing that is wrong, with its line and column.
pub(crate) fn read_all(text: &str) -> Result<Vec<Document>, ManifestError> {
    yaml::parse(text)?.into_iter().map(read).collect()
}

/// Reads every document of a file as something else than a resource.
///
/// # Errors
/// [`ManifestError`] for the first thing that is wrong, with its line and column.
pub(crate) fn read_as<T: for<'de> Deserialize<'de>>(text: &str) -> Result<Vec<T>, ManifestError> {
    yaml::parse(text)?.into_iter().map(|parsed| at_place(parsed.value, "", &parsed.places)).collect()
}

fn read(parsed: Parsed) -> Result<Document, ManifestError> {
    let places = &parsed.places;
    let envelope: Envelope = at_place(parsed.value, "", places)?;
    if envelope.api_version != "hoop/v1" {
        return Err(wrong("apiVersion", places, "must be `hoop/v1`".to_owned()));
    }
    let kind: Kind = envelope.kind.parse().map_err(|_| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        wrong("kind", places, format!("`{}` is not one of {}", envelope.kind, known.join(", ")))
    })?;
    let spec = match kind {
        Kind::Issuer => Spec::Issuer(at_place::<spec::Issuer>(envelope.spec, "spec", places)?),
        Kind::Identity => Spec::Identity(at_place::<spec::Identity>(envelope.spec, "spec", places)?),
        Kind::Connection => Spec::Connection(at_place::<spec::Connection>(envelope.spec, "spec", places)?),
        Kind::Policy => Spec::Policy(at_place::<spec::Policy>(envelope.spec, "spec", places)?),
        Kind::Person => Spec::Person(at_place::<spec::Person>(envelope.spec, "spec", places)?),
        Kind::Secret => Spec::Secret(at_place::<spec::Secret>(envelope.spec, "spec", places)?),
        Kind::Role => Spec::Role(at_place::<spec::Role>(envelope.spec, "spec", places)?),
        Kind::DataClass => Spec::DataClass(at_place::<spec::DataClass>(envelope.spec, "spec", places)?),
    };
    spec.check().map_err(|invalid| wrong(&format!("spec.{}", invalid.field), places, invalid.to_string()))?;
    Ok(Document { name: envelope.metadata.name, spec })
}

fn at_place<T: for<'de> Deserialize<'de>>(value: Value, root: &str, places: &Places) -> Result<T, ManifestError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = match (root, path.as_str()) {
            (root, ".") => root.to_owned(),
            ("", path) => path.to_owned(),
            (root, path) => format!("{root}.{path}"),
        };
        wrong(&path, places, error.into_inner().to_string())
    })
}

/// Finds the place of a path, or of the nearest thing around it.
fn wrong(path: &str, places: &Places, problem: String) -> ManifestError {
    let mut path = path;
    loop {
        if let Some(&(line, column)) = places.get(path) {
            return ManifestError { line, column, problem };
        }
        let Some(parent) = path.rfind(['.', '[']) else {
            let (line, column) = places.get("").copied().unwrap_or((1, 1));
            return ManifestError { line, column, problem };
        };
        path = path.get(..parent).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "apiVersion: hoop/v1\nkind: Policy\nmetadata: {name: p}\nspec: {cedar: 'permit(principal, action, resource);'}\n";

    #[test]
    fn a_document_is_a_name_and_a_checked_spec() {
        let documents = read_all(&format!("{POLICY}---\n{POLICY}")).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].name.as_str(), "p");
        assert_eq!(documents[0].spec.kind(), Kind::Policy);
    }

    #[test]
    fn every_error_has_its_place() {
        let identity = "apiVersion: hoop/v1\nkind: Identity\nmetadata: {name: i}\nspec:\n  issuer: ci\n  run: run_id\n  owner: o\n";
        for (text, line, column, word) in [
            (POLICY.replace("hoop/v1", "hoop/v2"), 1, 1, "hoop/v1"),
            (POLICY.replace("kind: Policy", "kind: Polity"), 2, 1, "Polity"),
            (POLICY.replace("name: p", "name: P"), 3, 12, "not a name"),
            (POLICY.replace("cedar:", "ceder:"), 4, 8, "ceder"),
            (POLICY.replace("permit(principal, action, resource);", ""), 4, 8, "must not be empty"),
            (format!("{POLICY}extra: 1\n"), 5, 1, "extra"),
            (format!("{identity}  claims: {{ref: 1.5}}\n"), 8, 12, "data did not match"),
            (format!("{identity}  claims: {{ref: main}}\n  suspended: maybe\n"), 9, 3, "expected a boolean"),
            (identity.to_owned(), 4, 1, "claims"),
        ] {
            let found = read_all(&text).unwrap_err();
            assert!(found.problem.contains(word), "{text}\n{found}");
            assert_eq!((found.line, found.column), (line, column), "{text}\n{found}");
        }
    }
}
