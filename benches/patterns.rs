//! What matching a topic costs: 1,000 patterns against 1,000 exact topics.
//! `cargo bench -p sse-broadcaster-access --bench patterns`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sse_broadcaster_access::pattern::{BaseUrl, Pattern, PatternIndex, PatternSet};
use std::hint::black_box;

const PATTERNS: usize = 1_000;

fn patterns(kind: &str) -> Vec<Pattern> {
    let base = BaseUrl::parse("https://hub.example.com/").expect("a URL");
    let pattern = |n: usize| match kind {
        "exact" => Pattern::selector(&format!("https://example.com/rooms/{n}/message0")),
        "template" => Pattern::selector(&format!("https://example.com/rooms/{n}/{{id}}")),
        "template-behind" => Pattern::selector(&format!("https://example.com/{{room}}/{n}")),
        _ => Pattern::url_pattern(&format!("https://example.com/rooms/{n}/:id"), Some(&base)),
    };
    let patterns: Result<_, _> = (0..PATTERNS).map(pattern).collect();
    patterns.expect("patterns")
}

/// `few` topics come again and again, `many` are all different.
fn topics(few: bool) -> Vec<String> {
    let count = if few { 100 } else { 100_000 };
    (0..count)
        .map(|n| {
            format!(
                "https://example.com/rooms/{}/message{}",
                n % (2 * PATTERNS),
                n / (2 * PATTERNS)
            )
        })
        .collect()
}

fn matching(criterion: &mut Criterion) {
    for (name, few) in [("repeated topics", true), ("different topics", false)] {
        let mut group = criterion.benchmark_group(name);
        let topics = topics(few);
        for kind in ["exact", "template", "template-behind", "url"] {
            let set = PatternSet::new(patterns(kind)).expect("not too many");
            let mut topic = topics.iter().cycle();
            group.bench_function(BenchmarkId::new("set", kind), |bencher| {
                bencher.iter(|| black_box(set.matches(topic.next().expect("a cycle"))));
            });
            let mut index = PatternIndex::default();
            for pattern in patterns(kind) {
                index.insert(pattern, ());
            }
            group.bench_function(BenchmarkId::new("index", kind), |bencher| {
                bencher.iter(|| {
                    let mut found = 0;
                    index.for_each_match(topic.next().expect("a cycle"), |()| found += 1);
                    black_box(found)
                });
            });
        }
        group.finish();
    }
}

fn compiling(criterion: &mut Criterion) {
    let mut n = 0;
    criterion.bench_function("compile a template", |bencher| {
        bencher.iter(|| {
            n += 1;
            Pattern::selector(&format!("https://example.com/rooms/{n}/{{id}}{{?q,lang}}"))
        });
    });
    criterion.bench_function("compile a URL pattern", |bencher| {
        bencher.iter(|| {
            n += 1;
            Pattern::url_pattern(&format!("https://example.com/rooms/{n}/:id"), None)
        });
    });
}

criterion_group!(benches, matching, compiling);
criterion_main!(benches);
