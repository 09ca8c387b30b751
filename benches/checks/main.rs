//! What does a check cost our process, beside a tonic server of the same build that decodes and says OK?
//!
//! Runs `keyward serve` and the no-op in turn, A B A B, on one core, with the load on another, and prints
//! CPU-µs per check (user and system time of the server process) and the ratio to the no-op of the same rounds.
//! `cargo bench --bench checks -- [--rounds N] [--requests N]`.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark may stop where it stands")]

mod load;
mod noop;
mod process;
mod provider;
mod request;
mod server;

use std::time::Duration;

use server::{Server, Variant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IN_FLIGHT: [usize; 3] = [1, 8, 64];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == noop::FLAG) {
        return noop::serve();
    }
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (rounds, requests) = (number("--rounds", 5), number("--requests", 20_000));
    process::pin_self_to_last_core();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(rounds, requests));
}

async fn measure(rounds: usize, requests: usize) {
    let provider = provider::start().await;
    let variants = Variant::all();
    let mut servers = Vec::new();
    for variant in &variants {
        let server = Server::start(*variant, provider).await;
        println!(
            "{:<34} first answer after {:>5.1} ms, {:>5.1} MB resident at rest",
            variant.name(),
            server.until_first_answer.as_secs_f64() * 1e3,
            server.resident_at_rest_mb
        );
        servers.push(server);
    }
    println!("\n{rounds} rounds of {requests} checks; CPU-µs per check of the server process: median (minimum)\n");
    println!("{:<34} {:>20} {:>20} {:>20}", "", "1 in flight", "8 in flight", "64 in flight");
    let mut costs = vec![[const { Vec::new() }; IN_FLIGHT.len()]; servers.len()];
    for round in 0..=rounds {
        for (server, costs) in servers.iter_mut().zip(&mut costs) {
            for (in_flight, costs) in IN_FLIGHT.iter().zip(costs.iter_mut()) {
                let cost = server.cost_per_check(requests, *in_flight).await;
                // The first round warms caches and connections.
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        eprintln!("round {round} of {rounds} done");
    }
    report(&variants, &mut costs);
}

fn report(variants: &[Variant], costs: &mut [[Vec<Duration>; IN_FLIGHT.len()]]) {
    let micros = |cost: Duration| cost.as_secs_f64() * 1e6;
    let median = |costs: &mut Vec<Duration>| {
        costs.sort_unstable();
        costs.get(costs.len() / 2).copied().unwrap_or_default()
    };
    let mut medians = Vec::new();
    for (variant, costs) in variants.iter().zip(costs.iter_mut()) {
        print!("{:<34}", variant.name());
        let mut row = Vec::new();
        for costs in costs.iter_mut() {
            let median = micros(median(costs));
            let minimum = micros(costs.first().copied().unwrap_or_default());
            print!(" {:>20}", format!("{median:.1} ({minimum:.1})"));
            row.push(median);
        }
        println!();
        medians.push(row);
    }
    println!("\nratio to the no-op (medians of the same rounds)\n");
    let base = medians.first().cloned().unwrap_or_default();
    for (variant, row) in variants.iter().zip(&medians) {
        print!("{:<34}", variant.name());
        for (cost, base) in row.iter().zip(&base) {
            print!(" {:>20}", format!("{:.2}", cost / base));
        }
        println!();
    }
}
