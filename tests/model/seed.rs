//! Seeds of the random tests: always the same, or that of `MODEL_SEED`.

pub fn seed() -> u64 {
    let seed = std::env::var("MODEL_SEED").ok();
    seed.map_or(1, |seed| seed.parse().expect("MODEL_SEED is a number"))
}

/// Seeds for one purpose; others have other ones.
pub fn seeds(purpose: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |number| (seed() << 24) + (purpose << 16) + number)
}
