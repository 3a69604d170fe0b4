//! Rounds of measurements that are made close to each other, and the table of their ratios.

use std::fmt;

use crate::servers::Kind;

fn rounds() -> usize {
    let rounds = std::env::var("BENCH_PAIRS").ok();
    let rounds = rounds.map_or(5, |rounds| rounds.parse().expect("BENCH_PAIRS is a number"));
    rounds.max(1)
}

/// The kinds of one round: those that are only compared with come in every other round.
fn of_round<'a>(
    number: usize,
    always: &'a [Kind],
    sometimes: &'a [Kind],
) -> impl Iterator<Item = Kind> + use<'a> {
    let others = sometimes.iter().filter(|kind| !always.contains(kind));
    let others = others.filter(move |_| number.is_multiple_of(2));
    always.iter().chain(others).copied()
}

/// Measurements by round.
pub struct Rounds<T>(Vec<Vec<(Kind, T)>>);

impl<T> Rounds<T> {
    /// Measures the yardstick, then these, one after the other.
    pub fn measure(
        always: &[Kind],
        sometimes: &[Kind],
        mut measure: impl FnMut(Kind) -> T,
    ) -> Self {
        let round = |number| {
            let kinds = std::iter::once(Kind::Yardstick).chain(of_round(number, always, sometimes));
            kinds.map(|kind| (kind, measure(kind))).collect()
        };
        Self((0..rounds()).map(round).collect())
    }

    /// Measures each of them at the same time as a yardstick of its own, which comes first.
    pub fn beside_the_yardstick(
        always: &[Kind],
        sometimes: &[Kind],
        mut measure: impl FnMut(Kind) -> (T, T),
    ) -> Self {
        let kinds = (0..rounds()).flat_map(|number| of_round(number, always, sometimes));
        let pairs = kinds.map(|kind| {
            let (yardstick, own) = measure(kind);
            vec![(Kind::Yardstick, yardstick), (kind, own)]
        });
        Self(pairs.collect())
    }

    /// Compares two kinds by the rounds that have both; `None` where none has.
    pub fn compare(&self, kind: Kind, with: Kind, figure: impl Fn(&T) -> f64) -> Option<Compared> {
        let of = |round: &[(Kind, T)], kind| {
            let found = round.iter().find(|(measured, _)| *measured == kind);
            found.map(|(_, measured)| figure(measured))
        };
        let both = self.0.iter().filter_map(|round| {
            let (own, other) = (of(round, kind)?, of(round, with)?);
            Some((own, other))
        });
        Compared::of(&both.collect::<Vec<_>>())
    }
}

/// Medians of pairs, and of their ratios.
#[derive(Clone, Copy)]
pub struct Compared {
    pub own: f64,
    pub other: f64,
    pub ratio: Ratio,
}

#[derive(Clone, Copy)]
pub struct Ratio {
    pub median: f64,
    least: f64,
    most: f64,
}

impl Ratio {
    fn of(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        Self {
            median: ratios[ratios.len() / 2],
            least: ratios[0],
            most: ratios[ratios.len() - 1],
        }
    }
}

impl Compared {
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let median_of = |figure: fn(&(f64, f64)) -> f64| median(pairs.iter().map(figure).collect());
        (!pairs.is_empty()).then(|| Self {
            own: median_of(|(own, _)| *own),
            other: median_of(|(_, other)| *other),
            ratio: Ratio::of(pairs.iter().map(|(own, other)| own / other).collect()),
        })
    }

    /// Measures at most this number of pairs of other things than kinds of servers.
    pub fn pairs(most: usize, mut measure: impl FnMut() -> (f64, f64)) -> Self {
        let pairs: Vec<_> = (0..rounds().min(most)).map(|_| measure()).collect();
        Self::of(&pairs).expect("a pair")
    }
}

pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What a ratio should be.
#[derive(Clone, Copy)]
pub enum Bound {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::AtMost(most) => write!(f, "≤ {most:.2}"),
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
        }
    }
}

/// One line of the table.
pub struct Row {
    pub what: String,
    pub server: String,
    /// What was measured, and what it is compared with.
    pub measured: String,
    /// The figure that the bound is for, and the range of its measurements.
    pub figure: Option<f64>,
    pub range: Option<(f64, f64)>,
    pub bound: Bound,
}

impl Row {
    /// A row without a ratio.
    pub fn text(what: impl Into<String>, server: impl Into<String>, measured: String) -> Self {
        Self {
            what: what.into(),
            server: server.into(),
            measured,
            figure: None,
            range: None,
            bound: Bound::None,
        }
    }

    pub fn ratio(
        what: impl Into<String>,
        server: impl Into<String>,
        measured: String,
        ratio: Ratio,
        bound: Bound,
    ) -> Self {
        Self {
            figure: Some(ratio.median),
            range: Some((ratio.least, ratio.most)),
            bound,
            ..Self::text(what, server, measured)
        }
    }

    pub fn print_head() {
        println!("| what | server | measured | ratio | bound |\n|---|---|---|---|---|");
    }

    pub fn print(&self) {
        let figure = self.figure.map(|figure| format!("**{figure:.2}**"));
        let range = self
            .range
            .map(|(least, most)| format!(" {least:.2}–{most:.2}"));
        let (figure, range) = (figure.unwrap_or_default(), range.unwrap_or_default());
        let missed = match self.figure {
            Some(figure) if !self.bound.holds(figure) => ", missed",
            _ => "",
        };
        println!(
            "| {} | {} | {} | {figure}{range} | {}{missed} |",
            self.what, self.server, self.measured, self.bound
        );
    }
}
