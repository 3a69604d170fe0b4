use sse_broadcaster::{Memory, broadcaster::Options, history::Retention};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn broadcaster() -> (Broadcaster, Arc<dyn History>) {
    let history: Arc<dyn History> = Arc::new(Memory::new(Retention::default()));
    let broadcaster = Broadcaster::on(Arc::clone(&history), Options::default());
    (broadcaster.unwrap(), history)
}

async fn start(of: &(Broadcaster, Arc<dyn History>)) -> Arc<KeptRevocations> {
    let current = Arc::new(Revocations::new(DAY));
    KeptRevocations::start(&of.0, Arc::clone(&of.1), current).await
}

fn user(number: usize) -> Rule {
    Rule::new().user(&format!("user-{number}"))
}

/// Keeps this value, as another node may have.
async fn keep(broadcaster: &Broadcaster, text: String) {
    let event = Event::builder(READ_ALL).topic(REVOCATIONS_TOPIC).private();
    let batch = Batch::from(event.build_internal().unwrap());
    let retain = Retain::new(REVOCATIONS_TOPIC, Some(Bytes::from(text)));
    broadcaster.publish(batch.retain(retain)).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_revocations_are_kept_and_one_more_is_refused() {
    let of = broadcaster();
    let ends = Revocations::new(DAY);
    let rules: Vec<_> = (1..10_000)
        .map(|n| ends.complete(user(n)).unwrap())
        .collect();
    keep(&of.0, format!("[{}]", texts(&rules).join(","))).await;
    let kept = start(&of).await;
    assert_eq!(kept.rules().len(), 9_999);
    kept.revoke(user(10_000)).await.unwrap();
    let refused = kept.revoke(user(10_001)).await.unwrap_err();
    assert!(
        matches!(refused, RevokeError::Rule(RuleError::Full { .. })),
        "{refused}"
    );
    // One that is there may be repeated.
    kept.revoke(user(7)).await.unwrap();
    assert_eq!(start(&of).await.rules().len(), 10_000);
}

#[tokio::test]
async fn what_a_later_version_wrote_is_left_out_and_rules_that_have_ended_are_dropped() {
    let of = broadcaster();
    let text = r#"[{"sub":"1","until":9000000000},{"sub":7},"x",{"sub":"2","until":5}]"#;
    keep(&of.0, text.to_owned()).await;
    let kept = start(&of).await;
    let users = |rules: &[Rule]| texts(rules).len();
    assert_eq!(users(&kept.rules()), 1);
    kept.revoke(user(3)).await.unwrap();
    let (text, _) = kept.read().await.unwrap();
    assert_eq!(rules_of(&text).len(), 2, "{text:?}");
}

#[tokio::test]
async fn rules_that_history_has_lost_are_written_again() {
    let of = broadcaster();
    let kept = start(&of).await;
    kept.revoke(user(1)).await.unwrap();
    keep(&of.0, "[]".to_owned()).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while rules_of(&kept.read().await.unwrap().0).is_empty() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
