//! How the properties run: how many cases, and from which seed. The seed of each run is printed, so that each can be
//! repeated; a seed that failed is kept in `proptest-regressions` and runs first from then on.

use std::io::Write as _;

use proptest::test_runner::{Config, RngSeed};

/// A run of `cases` cases, or of as many as `PROPTEST_CASES` says, from the seed `PROPTEST_RNG_SEED` or a new one.
pub fn run_of(property: &str, cases: u32) -> Config {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let cases = number("PROPTEST_CASES")
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(cases);
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(rand_seed);
    // Not by `eprintln`, which the harness keeps to itself when a test passes.
    let line = format!("{property}: {cases} cases, PROPTEST_RNG_SEED={seed}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    // Keyed anew in each process and for each state.
    RandomState::new().hash_one(std::process::id())
}
