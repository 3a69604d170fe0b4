//! Follows the database, for everybody who looks: one task for the numbers, one for the activity,
//! and none per stream.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};

use super::{
    database::Database,
    feed::{self, Feed, View},
    feeds::Feeds,
};

/// Follows on the current runtime until the process ends.
pub fn start(
    database: &Database,
    feeds: &Arc<Feeds>,
    numbers_interval: Duration,
    activity_interval: Duration,
) {
    let numbers = Arc::clone(feeds);
    let refresh = async move || numbers.numbers.refresh().await;
    tokio::spawn(follow(database.clone(), numbers_interval, refresh));

    let activity = Arc::clone(feeds);
    let refresh = async move || refresh_all(activity.all_activity()).await;
    tokio::spawn(follow(database.clone(), activity_interval, refresh));
}

async fn refresh_all<V: View>(feeds: Vec<Feed<V>>) -> Result<(), feed::Error> {
    for feed in feeds {
        feed.refresh().await?;
    }
    Ok(())
}

/// Calls `refresh` when the database has changed: at once where this process wrote, at the interval
/// where another did, and never more often than the interval says.
async fn follow(
    database: Database,
    interval: Duration,
    refresh: impl AsyncFn() -> Result<(), feed::Error>,
) {
    let mut changes = database.changes();
    let mut refreshed = None;
    let mut earliest = Instant::now();
    loop {
        // That the time is over is as good a reason to look as that somebody wrote.
        let _ = timeout(interval, changes.changed()).await;
        sleep_until(earliest).await;
        changes.mark_unchanged();
        // Asked before what it is of is read, so that no write falls between.
        let outcome = match database.version().await {
            Ok(version) if refreshed == Some(version) => continue,
            Ok(version) => refresh().await.map(|()| version),
            Err(error) => Err(error.into()),
        };
        earliest = Instant::now() + interval;
        match outcome {
            Ok(version) => refreshed = Some(version),
            Err(error) => eprintln!("stats: what is shown is out of date: {error}"),
        }
    }
}
