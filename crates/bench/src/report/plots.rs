//! Curves and bars over time, as HTML with SVG inside. Labels are HTML, so that they keep their size on pages of
//! any width.

use std::fmt::Write as _;

/// The side of the view box, which the page stretches.
const SIDE: f64 = 1_000.0;
/// There is at most one label more.
const X_LABELS: f64 = 5.0;
const Y_LABELS: u32 = 4;

/// One step of a plot: when it began, and its tooltip.
pub(crate) struct Column {
    pub(crate) at_s: f64,
    pub(crate) title: String,
}

pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// A class of the style sheet.
    pub(crate) class: &'static str,
    /// One for each column; `None` where nothing was measured.
    pub(crate) values: Vec<Option<f64>>,
}

/// Milliseconds on a logarithmic axis.
pub(crate) fn curves(columns: &[Column], curves: &[Curve]) -> String {
    let all = || {
        curves
            .iter()
            .flat_map(|curve| curve.values.iter().flatten())
    };
    let (lowest, highest) = (
        all().fold(f64::MAX, |a, b| a.min(*b)),
        all().fold(0.0, |a: f64, b| a.max(*b)),
    );
    let Some(axis) = Decades::around(lowest, highest) else {
        return String::new();
    };
    let mut svg = grid(axis.labels().map(|(at, _)| at));
    for curve in curves {
        let points = points(&curve.values, columns.len(), |value| axis.height(value));
        let _ = write!(svg, r#"<path class="curve {}" d="{points}"/>"#, curve.class);
    }
    svg.push_str(&overlay(columns));
    let legend = curves.iter().rev().map(|curve| {
        format!(
            r#"<span><i class="{}"></i>{}</span>"#,
            curve.class, curve.name
        )
    });
    let legend: String = legend.collect();
    format!(
        r#"<div class="legend">{legend}</div>{}"#,
        plot(
            &svg,
            axis.labels().map(|(at, value)| (at, millis_label(value))),
            columns
        )
    )
}

/// Figures on an axis from zero.
pub(crate) fn bars(columns: &[Column], values: &[f64]) -> String {
    let highest = values.iter().fold(0.0, |a: f64, b| a.max(*b));
    let top = round_up(highest, &ROUND_IN_QUARTERS);
    let labels = || (0..=Y_LABELS).map(|at| f64::from(at) / f64::from(Y_LABELS));
    let mut svg = grid(labels());
    let width = SIDE / as_f64(values.len().max(1));
    for (at, value) in values.iter().enumerate() {
        let height = value / top * SIDE;
        let _ = write!(
            svg,
            r#"<rect class="bar" x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"/>"#,
            (as_f64(at) + 0.1) * width,
            SIDE - height,
            width * 0.8,
        );
    }
    svg.push_str(&overlay(columns));
    plot(&svg, labels().map(|at| (at, label(at * top))), columns)
}

fn plot(svg: &str, ys: impl Iterator<Item = (f64, String)>, columns: &[Column]) -> String {
    let ys: Vec<String> = ys
        .map(|(at, text)| format!(r#"<span style="bottom:{:.1}%">{text}</span>"#, at * 100.0))
        .collect();
    let ys = ys.concat();
    format!(
        r#"<div class="plot"><div class="ys">{ys}</div><svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none" role="img">{svg}</svg><div class="xs">{}</div></div>"#,
        x_labels(columns)
    )
}

fn grid(heights: impl Iterator<Item = f64>) -> String {
    let line = |at: f64| {
        let y = (1.0 - at) * SIDE;
        format!(r#"<line class="grid" x1="0" x2="{SIDE}" y1="{y:.1}" y2="{y:.1}"/>"#)
    };
    heights.map(line).collect()
}

/// The tooltips of the columns.
fn overlay(columns: &[Column]) -> String {
    let width = SIDE / as_f64(columns.len().max(1));
    let column = |(at, column): (usize, &Column)| {
        format!(
            r#"<rect class="over" x="{:.1}" y="0" width="{width:.1}" height="{SIDE}"><title>{}</title></rect>"#,
            as_f64(at) * width,
            column.title
        )
    };
    columns.iter().enumerate().map(column).collect()
}

fn points(values: &[Option<f64>], columns: usize, height: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let x = (as_f64(at) + 0.5) / as_f64(columns.max(1)) * SIDE;
        let y = (1.0 - height(*value)) * SIDE;
        // A line from a point to itself shows its round ends, so that a single point is visible.
        let start = if is_drawing { "" } else { "M" };
        let _ = match start {
            "M" => write!(path, "M{x:.1} {y:.1}L{x:.1} {y:.1}"),
            _ => write!(path, "L{x:.1} {y:.1}"),
        };
        is_drawing = true;
    }
    path
}

fn x_labels(columns: &[Column]) -> String {
    let (Some(first), Some(last)) = (columns.first(), columns.last()) else {
        return String::new();
    };
    let width = columns
        .get(1)
        .map_or(1.0, |second| second.at_s - first.at_s);
    let end = last.at_s + width;
    let step = round_up(end / X_LABELS, &ROUND);
    let times = std::iter::successors(Some(0.0), |at| Some(at + step));
    let label = |at: f64| {
        let class = match at / end {
            0.0 => " class=\"first\"",
            0.95.. => " class=\"last\"",
            _ => "",
        };
        let left = at / end * 100.0;
        format!(
            r#"<span{class} style="left:{left:.1}%">{} s</span>"#,
            label(at)
        )
    };
    let labels: Vec<_> = times.take_while(|at| *at <= end).map(label).collect();
    labels.concat()
}

/// A logarithmic axis from one power of ten to another.
struct Decades {
    from: f64,
    to: f64,
}

impl Decades {
    fn around(lowest: f64, highest: f64) -> Option<Self> {
        if lowest > highest {
            return None;
        }
        let from = lowest.max(0.001).log10().floor();
        let to = highest.max(0.001).log10().ceil();
        Some(Self {
            from,
            to: to.max(from + 1.0),
        })
    }

    fn height(&self, value: f64) -> f64 {
        (value.max(0.001).log10() - self.from) / (self.to - self.from)
    }

    /// The powers of ten, and steps between them where there are few.
    fn labels(&self) -> impl Iterator<Item = (f64, f64)> {
        let between: &[f64] = if self.to - self.from <= 2.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let powers = std::iter::successors(Some(self.from), |at| Some(at + 1.0));
        let powers = powers.take_while(|at| *at <= self.to);
        let values = powers.flat_map(|at| between.iter().map(move |part| part * 10f64.powf(at)));
        let labels = values.map(|value| (self.height(value), value));
        labels.take_while(|(height, _)| *height <= 1.0 + f64::EPSILON)
    }
}

/// Round numbers up to ten.
const ROUND: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// Round numbers whose quarters are round, too.
const ROUND_IN_QUARTERS: [f64; 11] = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0];

/// The next number of `to`, times a power of ten.
fn round_up(value: f64, to: &[f64]) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let mut steps = to.iter().map(|step| step * power);
    steps.find(|step| *step >= value).unwrap_or(value)
}

fn millis_label(value: f64) -> String {
    if value < 1_000.0 {
        format!("{} ms", label(value))
    } else {
        format!("{} s", label(value / 1_000.0))
    }
}

/// With at most three decimals.
fn label(value: f64) -> String {
    let short = |value: f64, unit: &str| format!("{}{unit}", (value * 1_000.0).round() / 1_000.0);
    match value {
        ..1_000.0 => short(value, ""),
        ..1_000_000.0 => short(value / 1_000.0, "k"),
        _ => short(value / 1_000_000.0, "M"),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "there are some hundred columns at most"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let tops = [0.0, 0.3, 7.0, 12.1, 99.0, 12_100_000.0];
        let tops = tops.map(|value| label(round_up(value, &ROUND_IN_QUARTERS)));
        assert_eq!(tops, ["1", "0.32", "8", "16", "100", "16M"]);
    }

    #[test]
    fn a_logarithmic_axis_holds_all_values_between_its_ends() {
        let labels = |lowest, highest| -> Vec<String> {
            let axis = Decades::around(lowest, highest).unwrap();
            axis.labels()
                .map(|(_, value)| millis_label(value))
                .collect()
        };
        assert_eq!(labels(12.0, 80.0), ["10 ms", "20 ms", "50 ms", "100 ms"]);
        assert_eq!(
            labels(0.2, 1_500.0),
            ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
        assert!(Decades::around(f64::MAX, 0.0).is_none());
    }

    #[test]
    fn a_moment_without_a_value_breaks_the_curve() {
        let path = points(&[Some(0.0), Some(1.0), None, Some(1.0)], 4, |value| value);
        assert_eq!(path.matches('M').count(), 2);
    }
}
