//! How cost grows with subscribers, as an SVG for light and dark pages.

use std::fmt::Write as _;

use crate::table::Ratio;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 300.0;
/// The size of the drawing.
const PLOT: (f64, f64) = (260.0, 180.0);
const TOP: f64 = 64.0;
/// The left edges of the two plots.
const LEFTS: [f64; 2] = [48.0, 448.0];

const STYLE: &str = "
  .card { fill: #ffffff; stroke: #d0d7de; }
  text { font: 12px system-ui, sans-serif; fill: #57606a; }
  .title { font-size: 13px; font-weight: 600; fill: #1f2328; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .ours { stroke: #0969da; } .yardstick { stroke: #8c6d1f; stroke-dasharray: 5 4; }
  .dot { stroke: none; } .dot.ours { fill: #0969da; } .dot.yardstick { fill: #8c6d1f; }
  text.ours { fill: #0969da; stroke: none; font-weight: 600; }
  text.yardstick { fill: #8c6d1f; stroke: none; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #30363d; }
    text { fill: #9198a1; } .title { fill: #f0f6fc; } .grid { stroke: #30363d; }
    .ours { stroke: #58a6ff; } .yardstick { stroke: #d4a72c; }
    .dot.ours, text.ours { fill: #58a6ff; } .dot.yardstick, text.yardstick { fill: #d4a72c; }
  }
";

/// The cost at a number of subscribers.
pub struct Point {
    pub subscribers: usize,
    pub ours: Cost,
    pub yardstick: Cost,
    pub ratio: Ratio,
}

#[derive(Clone, Copy)]
pub struct Cost {
    /// The ratio of CPU per delivered event.
    pub micros: f64,
    /// Memory for each subscriber.
    pub kib: f64,
}

pub fn draw(points: &[Point]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>Cost by the number of subscribers, ours and the yardstick</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        HEIGHT - 1.0
    );
    let plots: [(&str, Figure); 2] = [
        ("CPU per delivered event, µs", |cost| cost.micros),
        ("Resident memory per idle subscriber, KiB", |cost| cost.kib),
    ];
    for (left, (title, figure)) in LEFTS.into_iter().zip(plots) {
        Plot::new(left, points, figure).draw(title, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

type Figure = fn(Cost) -> f64;

struct Plot<'a> {
    left: f64,
    points: &'a [Point],
    figure: Figure,
    /// The y axis: the distance of two lines, and the top.
    step: f64,
    most: f64,
}

impl<'a> Plot<'a> {
    fn new(left: f64, points: &'a [Point], figure: Figure) -> Self {
        let figures = points
            .iter()
            .flat_map(|p| [figure(p.ours), figure(p.yardstick)]);
        let most = figures.fold(f64::MIN_POSITIVE, f64::max);
        let step = step(most);
        Self {
            left,
            points,
            figure,
            step,
            most: (most / step).ceil() * step,
        }
    }

    fn x(&self, subscribers: usize) -> f64 {
        let log = |n: usize| (n as f64).log10();
        let ends = [self.points.first(), self.points.last()];
        let [first, last] = ends.map(|point| point.map_or(1, |point| point.subscribers));
        let along = (log(subscribers) - log(first)) / (log(last) - log(first)).max(1e-9);
        self.left + along * PLOT.0
    }

    fn y(&self, figure: f64) -> f64 {
        TOP + (1.0 - figure.max(0.0) / self.most) * PLOT.1
    }

    fn draw(&self, title: &str, out: &mut String) {
        let _ = writeln!(
            out,
            "<text class=\"title\" x=\"{}\" y=\"32\">{title}</text>",
            self.left - 24.0
        );
        self.draw_axes(out);
        self.draw_line("ours", |point| point.ours, out);
        self.draw_line("yardstick", |point| point.yardstick, out);
        self.draw_names(out);
    }

    fn draw_axes(&self, out: &mut String) {
        let right = self.left + PLOT.0;
        for number in 0..=(self.most / self.step).round() as u32 {
            let figure = f64::from(number) * self.step;
            let y = self.y(figure);
            let label = (figure * 100.0).round() / 100.0;
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{} {y:.1}H{right}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                self.left,
                self.left - 8.0,
                y + 4.0
            );
        }
        for point in self.points {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                self.x(point.subscribers),
                TOP + PLOT.1 + 20.0,
                short(point.subscribers)
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">subscribers</text>",
            self.left + PLOT.0 / 2.0,
            TOP + PLOT.1 + 40.0
        );
    }

    fn draw_line(&self, class: &str, of: impl Fn(&Point) -> Cost, out: &mut String) {
        let places = self.points.iter().map(|point| {
            let y = self.y((self.figure)(of(point)));
            (self.x(point.subscribers), y)
        });
        let (mut path, mut dots) = (String::new(), String::new());
        for (x, y) in places {
            let step = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{step}{x:.1} {y:.1}");
            let _ = write!(
                dots,
                "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
            );
        }
        let _ = writeln!(out, "<path class=\"line {class}\" d=\"{path}\"/>{dots}");
    }

    /// The names at the ends of the lines, where they do not overlap.
    fn draw_names(&self, out: &mut String) {
        const APART: f64 = 16.0;
        let Some(last) = self.points.last() else {
            return;
        };
        let mut ours = self.y((self.figure)(last.ours)) + 4.0;
        let mut yardstick = self.y((self.figure)(last.yardstick)) + 4.0;
        let (upper, lower) = if ours <= yardstick {
            (&mut ours, &mut yardstick)
        } else {
            (&mut yardstick, &mut ours)
        };
        let overlap = (APART - (*lower - *upper)).max(0.0);
        *upper -= overlap / 2.0;
        *lower += overlap / 2.0;
        let x = self.left + PLOT.0 + 10.0;
        for (name, y) in [("ours", ours), ("yardstick", yardstick)] {
            let _ = writeln!(
                out,
                "<text class=\"{name}\" x=\"{x}\" y=\"{y:.1}\">{name}</text>"
            );
        }
    }
}

/// 1, 2 or 5 times a power of ten, so that there are about four lines.
fn step(most: f64) -> f64 {
    let rough = most / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter();
    let mut steps = times.map(|times| times * power);
    steps.find(|step| *step >= rough).unwrap_or(most)
}

fn short(number: usize) -> String {
    match number {
        1_000.. => format!("{}k", (number + 500) / 1_000),
        _ => number.to_string(),
    }
}
