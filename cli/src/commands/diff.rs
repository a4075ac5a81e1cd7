//! `hoopctl diff`: what applying documents would change.

use super::apply::read_files;
use super::{Outcome, get, print_line};
use crate::client::{Admin, said};
use crate::shown::yaml;
use hoop_model::{Object, Spec};
use hoop_wire::v1;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Most lines of an object's spec that are compared line by line; of a larger one both are printed whole.
const MAX_LINES: usize = 2_000;

/// Prints what `apply` would change, and changes nothing. Exits with 0 if that is nothing, and with 1 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// A YAML file, or a directory whose `*.yaml` and `*.yml` files are taken in the order of their names.
    #[arg(short, long = "file", required = true)]
    file: Vec<PathBuf>,
}

impl Diff {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let documents = read_files(&self.file)?;
        let objects = admin.list(v1::ListRequest::default()).await.map_err(said)?.into_inner().objects;
        let objects = objects.into_iter().map(Object::try_from).collect::<Result<Vec<_>, _>>()?;
        let known: BTreeMap<_, _> =
            objects.iter().map(|object| ((object.spec.kind(), &object.metadata.name), &object.spec)).collect();
        let mut differs = false;
        for document in &documents {
            let before = known.get(&(document.spec.kind(), &document.name)).copied();
            if before == Some(&document.spec) {
                continue;
            }
            differs = true;
            let title = format!("{}/{}", document.spec.kind(), document.name);
            let word = if before.is_some() { "changes" } else { "is created" };
            print_line(&format!("{title} {word}"))?;
            let before = before.map(lines_of).transpose()?.unwrap_or_default();
            for line in difference(&before, &lines_of(&document.spec)?) {
                print_line(&line)?;
            }
        }
        Ok(if differs { Outcome::Failed } else { Outcome::Done })
    }
}

fn lines_of(spec: &Spec) -> anyhow::Result<Vec<String>> {
    Ok(yaml(&get::spec_json(spec)?).lines().map(str::to_owned).collect())
}

/// Compares two lists of lines by their longest common subsequence; unchanged lines only around what changed.
fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let mut marked = Vec::new();
    if before.len() > MAX_LINES || after.len() > MAX_LINES {
        marked.extend(before.iter().map(|line| ('-', line)));
        marked.extend(after.iter().map(|line| ('+', line)));
    } else {
        let longest = common(before, after);
        let (mut i, mut j) = (0, 0);
        let length = |i: usize, j: usize| longest.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
        loop {
            match (before.get(i), after.get(j)) {
                (None, None) => break,
                (Some(old), Some(new)) if old == new => {
                    marked.push((' ', old));
                    (i, j) = (i + 1, j + 1);
                }
                (Some(old), other) if other.is_none() || length(i + 1, j) >= length(i, j + 1) => {
                    marked.push(('-', old));
                    i += 1;
                }
                (_, Some(new)) => {
                    marked.push(('+', new));
                    j += 1;
                }
                (Some(_), None) => break,
            }
        }
    }
    let is_near = |at: usize| {
        let around = at.saturating_sub(2)..(at + 3).min(marked.len());
        marked.get(around).unwrap_or_default().iter().any(|(mark, _)| *mark != ' ')
    };
    let near = marked.iter().enumerate().filter(|(at, _)| is_near(*at));
    near.map(|(_, (mark, line))| format!("  {mark} {line}")).collect()
}

/// Returns for each pair of positions how long the longest common subsequence of what follows is.
fn common(before: &[String], after: &[String]) -> Vec<Vec<u32>> {
    let mut rows = vec![vec![0; after.len() + 1]];
    for old in before.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0];
        for (at, new) in after.iter().enumerate().rev() {
            let right = row.last().copied().unwrap_or(0);
            let down = below.get(at).copied().unwrap_or(0);
            let both = below.get(at + 1).copied().unwrap_or(0) + 1;
            row.push(if old == new { both } else { right.max(down) });
        }
        row.reverse();
        rows.push(row);
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> Vec<String> {
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        difference(&lines(before), &lines(after)).into_iter().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn what_changed_is_shown_with_two_lines_around_it() {
        assert_eq!(shown("a b c d e f g", "a b c X e f g"), ["b", "c", "- d", "+ X", "e", "f"]);
        assert_eq!(shown("", "a b"), ["+ a", "+ b"]);
        assert_eq!(shown("a b", ""), ["- a", "- b"]);
        assert_eq!(shown("a b c", "a b c"), Vec::<String>::new());
        assert_eq!(shown("a b c", "b c a"), ["- a", "b", "c", "+ a"]);
    }

    #[test]
    fn what_is_shown_makes_the_one_of_the_other() {
        let mut draw = 1_u64;
        let mut next = move |below: u64| {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) % below
        };
        for _ in 0..300 {
            let mut list = |most| (0..next(most)).map(|_| next(4).to_string()).collect::<Vec<_>>();
            let (before, after) = (list(12), list(12));
            let marked = difference(&before, &after);
            let of = |marks: [char; 2]| {
                let lines = marked.iter().filter(|line| marks.contains(&line.chars().nth(2).unwrap()));
                lines.map(|line| line.chars().skip(4).collect::<String>()).collect::<Vec<_>>()
            };
            // Lists this short are around what changed, or are the same.
            if before != after && before.len() + after.len() <= 5 {
                assert_eq!((of([' ', '-']), of([' ', '+'])), (before, after));
            }
        }
    }
}
