//! What does the access stage cost, and does it stay as cheap with many rules as with few?
//!
//! Everything runs in this process; the rows of a table take turns, and each prints the median of its rounds in
//! nanoseconds of CPU time per call beside what it adds to, or is a multiple of, the row it is held against: the median of
//! what it was in the same rounds.
//! `cargo bench --bench access -- [--rounds N]`.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark may stop where it stands")]

mod measure;
mod rules;
mod scripts;

use measure::{Target, Work};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = arguments.iter().position(|argument| argument == "--rounds").and_then(|at| arguments.get(at + 1));
    let rounds = rounds.map_or(9, |text| text.parse().expect("a whole number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tables: [(&str, Vec<Work>); 5] = [
        ("a decision among many rules of mixed patterns", rules::mixed()),
        ("a decision among many rules of one pattern", rules::one_pattern()),
        ("a decision among many rules, each for every path", rules::every_path()),
        ("a customAuthz, native and in JavaScript", rules::custom_authz()),
        ("an augmentSecurityContext", scripts::works()),
    ];
    let mut missed = 0;
    for (title, works) in tables {
        println!("\n{title}");
        missed += measure::table(&runtime, rounds, &works);
    }
    println!(
        "\n{}",
        if missed == 0 { "every target is met".to_owned() } else { format!("{missed} targets are missed") }
    );
}

/// At most so much dearer than the first row of its pair.
const FLAT: Option<Target> = Some(Target::Ratio(1.3));
