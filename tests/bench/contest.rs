//! The contest: rounds in which everybody has a turn, so that a slow minute of the machine hits all; then medians.

use crate::cpu::used_by_tree;
use crate::load::Took;
use crate::subject::{Field, Subject};
use anyhow::{Context, ensure};
use hoop_tests::process::binary;
use std::process::Command;

const SIZES: [usize; 2] = [1 << 10, 64 << 10];
const CONNECTIONS: [usize; 3] = [1, 32, 256];

/// How long to measure.
#[derive(clap::Args)]
pub(crate) struct Rules {
    /// How often everybody has a turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many requests one turn has.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Only those whose name contains this; the floor always has its turn.
    #[arg(long, default_value = "")]
    only: String,
    /// How many bytes an answer has.
    #[arg(long, default_values_t = SIZES)]
    size: Vec<usize>,
    /// How many connections there are at a time.
    #[arg(long, default_values_t = CONNECTIONS)]
    connections: Vec<usize>,
}

/// What one subject needed in one turn.
#[derive(Clone, Copy)]
struct Turn {
    cpu_micros: f64,
    per_second: f64,
    p50: f64,
    p99: f64,
}

/// Plays it and prints the tables.
pub(crate) fn play(rules: &Rules) -> anyhow::Result<()> {
    ensure!(rules.rounds > 0 && rules.requests >= 512, "needs at least one round and 512 requests");
    let directory = tempfile::tempdir()?;
    let mut field = Field::start(directory.path());
    field.subjects.retain(|subject| subject.name == "floor" || subject.name.contains(&rules.only));
    println!(
        "{} rounds of {} requests, {} processors; medians; processor time of the proxy's processes only",
        rules.rounds,
        rules.requests,
        std::thread::available_parallelism()?
    );
    let mut run = 0;
    for &size in &rules.size {
        for &connections in &rules.connections {
            let mut results: Vec<anyhow::Result<Vec<Turn>>> = field.subjects.iter().map(|_| Ok(Vec::new())).collect();
            // The first round warms up and does not count.
            for round in 0..=rules.rounds {
                for (subject, result) in field.subjects.iter().zip(&mut results) {
                    let Ok(turns) = result else { continue };
                    run += 1;
                    match take_turn(&field, subject, run, size, connections, rules.requests) {
                        Ok(turn) if round > 0 => turns.push(turn),
                        Ok(_) => {}
                        Err(error) => *result = Err(error),
                    }
                }
            }
            print_table(size, connections, &field.subjects, &results);
        }
    }
    Ok(())
}

fn take_turn(
    field: &Field,
    subject: &Subject,
    run: usize,
    size: usize,
    connections: usize,
    requests: usize,
) -> anyhow::Result<Turn> {
    let mut command = Command::new(binary("hoop-bench"));
    command.arg("load").arg(subject.address.to_string()).arg(format!("{}/{size}", subject.prefix));
    for (option, value) in [("--connections", connections), ("--requests", requests), ("--bytes", size)] {
        command.arg(option).arg(value.to_string());
    }
    if let Some(tokens) = field.tokens(subject.tokens, run, requests)? {
        command.arg("--tokens").arg(tokens);
    }
    let used = || subject.process.map(used_by_tree).unwrap_or_default();
    let before = used();
    let output = command.output().context("start the load")?;
    let after = used();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.lines().next().unwrap_or_default());
    let took: Took = serde_json::from_slice(&output.stdout)?;
    Ok(Turn {
        cpu_micros: (after - before).as_secs_f64() * 1e6 / requests as f64,
        per_second: took.per_second,
        p50: took.p50,
        p99: took.p99,
    })
}

fn print_table(size: usize, connections: usize, subjects: &[Subject], results: &[anyhow::Result<Vec<Turn>>]) {
    println!("\n{} KiB, {connections} connections", size >> 10);
    println!("{:<28}{:>12}{:>9}{:>13}{:>10}{:>10}", "", "CPU us/req", "x floor", "requests/s", "p50 us", "p99 us");
    let floor = subjects.iter().zip(results).find(|(subject, _)| subject.name == "floor");
    let floor = floor.and_then(|(_, result)| result.as_ref().ok()).map(|turns| median(turns, |turn| turn.cpu_micros));
    for (subject, result) in subjects.iter().zip(results) {
        let turns = match result {
            Ok(turns) => turns,
            Err(error) => {
                println!("{:<28}  failed: {error}", subject.name);
                continue;
            }
        };
        let cpu = median(turns, |turn| turn.cpu_micros);
        let (cpu, ratio) = match (subject.process, floor) {
            (Some(_), Some(floor)) => (format!("{cpu:.1}"), format!("{:.2}", cpu / floor)),
            (Some(_), None) => (format!("{cpu:.1}"), "-".to_owned()),
            (None, _) => ("-".to_owned(), "-".to_owned()),
        };
        println!(
            "{:<28}{cpu:>12}{ratio:>9}{:>13.0}{:>10.0}{:>10.0}",
            subject.name,
            median(turns, |turn| turn.per_second),
            median(turns, |turn| turn.p50),
            median(turns, |turn| turn.p99),
        );
    }
}

fn median(turns: &[Turn], of: impl Fn(&Turn) -> f64) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
