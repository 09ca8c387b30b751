//! What does a check cost our process, beside a tonic server of the same build that decodes and says OK?
//!
//! Runs `keyward serve` and the no-op in turn, A B A B, on one core, with the load on another, and prints
//! CPU-µs per check (user and system time of the server process) and the ratio to the no-op of the same rounds; and at the end
//! what audit and metrics together add to a cached allow, of which the target is less than a third.
//! `cargo bench --bench checks -- [--rounds N] [--requests N] [--only TEXT]`, the latter for the rows whose names hold it.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark may stop where it stands")]

mod load;
mod noop;
mod process;
mod provider;
mod request;
mod server;
mod watched;

use std::time::Duration;

use server::{Server, Variant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What audit and metrics together may add to a cached allow that nobody watches.
const MOST_FOR_WATCHING: f64 = 1.0 / 3.0;

const IN_FLIGHT: [usize; 3] = [1, 8, 64];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == noop::FLAG) {
        return noop::serve();
    }
    for (flag, is_watched) in [(watched::WATCHED, true), (watched::UNWATCHED, false)] {
        if arguments.iter().any(|argument| argument == flag) {
            return watched::serve(is_watched);
        }
    }
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (rounds, requests) = (number("--rounds", 5), number("--requests", 20_000));
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let is_chosen =
        |variant: &Variant| *variant == Variant::Noop || only.is_none_or(|text| variant.name().contains(text));
    let variants: Vec<Variant> = Variant::all().into_iter().filter(is_chosen).collect();
    process::pin_self_to_last_core();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(&variants, rounds, requests));
}

async fn measure(variants: &[Variant], rounds: usize, requests: usize) {
    let provider = provider::start().await;
    let mut servers = Vec::new();
    for variant in variants {
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
    report(variants, &mut costs);
}

fn report(variants: &[Variant], costs: &mut [[Vec<Duration>; IN_FLIGHT.len()]]) {
    let micros = |cost: Duration| cost.as_secs_f64() * 1e6;
    let median = |costs: &mut Vec<Duration>| {
        costs.sort_unstable();
        costs.get(costs.len() / 2).copied().unwrap_or_default()
    };
    let added = added_by_watching(variants, costs);
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
    if let Some(added) = added {
        print!("\n{:<34}", "audit and metrics add");
        for share in added {
            print!(" {:>20}", format!("{:.0} %", share * 100.0));
        }
        let is_met = added.iter().all(|share| *share < MOST_FOR_WATCHING);
        println!("\n{:<34} {:>20} {}", "target", "less than 33 %", if is_met { "met" } else { "MISSED" });
    }
}

/// What audit and metrics add to a cached allow, as a share of it: the median of what they added in each round, as rounds
/// differ by more. `costs` are in the order of the rounds.
fn added_by_watching(
    variants: &[Variant],
    costs: &[[Vec<Duration>; IN_FLIGHT.len()]],
) -> Option<[f64; IN_FLIGHT.len()]> {
    let of = |wanted: Variant| variants.iter().position(|variant| *variant == wanted).and_then(|at| costs.get(at));
    let (without, with) = (of(Variant::AllowUnwatched)?, of(Variant::AllowWatched)?);
    let mut added = [0.0; IN_FLIGHT.len()];
    for (added, (without, with)) in added.iter_mut().zip(without.iter().zip(with)) {
        let mut shares: Vec<f64> =
            without.iter().zip(with).map(|(without, with)| with.as_secs_f64() / without.as_secs_f64() - 1.0).collect();
        shares.sort_unstable_by(f64::total_cmp);
        *added = shares.get(shares.len() / 2).copied()?;
    }
    Some(added)
}
