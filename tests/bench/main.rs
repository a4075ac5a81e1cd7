//! What a proxied request costs, compared with a proxy that only copies bytes.
//!
//! Every part is a process of its own, so that the processor time of one is nobody else's:
//!
//! ```text
//!   load ──▶ subject ──▶ backend          subject: nobody, floor, nginx, hoopgate
//!   load ────────────────▶ (direct)
//! ```
//!
//! Nothing here fails on a number: it prints what it measured, and `run.sh` is for a machine that does nothing else.

mod backend;
mod contest;
mod cpu;
mod floor;
mod load;
mod subject;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;

#[derive(Parser)]
#[command(name = "hoop-bench", about = "Measures what a proxied request costs.")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Plays the whole contest and prints a table.
    Run(contest::Rules),
    /// Serves fixed JSON: `/1024` has that many bytes.
    Backend {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// Copies bytes to the backend and back, and reads none of them: the least a proxy can cost.
    Floor {
        /// Where to listen.
        listen: SocketAddr,
        /// The backend.
        backend: SocketAddr,
    },
    /// Sends a fixed number of requests over keep-alive connections, and prints what that took as JSON.
    Load(load::Load),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().part {
        Part::Run(rules) => contest::play(&rules),
        Part::Backend { listen } => current_thread()?.block_on(backend::serve(listen)),
        Part::Floor { listen, backend } => current_thread()?.block_on(floor::copy(listen, backend)),
        Part::Load(load) => {
            let took = current_thread()?.block_on(load.send())?;
            println!("{}", serde_json::to_string(&took)?);
            Ok(())
        }
    }
}

fn current_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
