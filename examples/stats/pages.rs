//! The dashboard as HTML, which says all there is to say when it arrives.

use std::sync::Arc;

use askama::Template;

use support::assets::{Asset, DATASTAR};

use super::{
    activity::{Activity, ActivityView},
    feed::{Error, Feed},
    filter::{Filter, MAX_NAME_CHARS, MAX_USERS},
    numbers::{Numbers, NumbersView},
};

/// How Datastar holds a stream: it comes back whatever ended it, for as long as the page is open, and
/// sends none of the page's signals.
const FETCHING: &str =
    "{retry: 'always', retryMaxWait: 5000, retryMaxCount: Infinity, payload: {}}";

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard<'a> {
    datastar: &'static Asset,
    figures: [Figure; 3],
    number_signals: String,
    activities: &'a [Activity],
    activity_stream: String,
    fetching: &'static str,
    /// Each user of the filter, and the page without it.
    chosen: Vec<(&'a str, String)>,
}

/// One number, and the signal that it follows.
struct Figure {
    label: &'static str,
    signal: &'static str,
    text: String,
}

impl Dashboard<'_> {
    fn can_add(&self) -> bool {
        self.chosen.len() < MAX_USERS
    }
}

/// # Errors
/// The database cannot be read.
pub async fn dashboard(
    numbers: &Feed<NumbersView>,
    activity: &Feed<ActivityView>,
    filter: &Filter,
) -> Result<String, Error> {
    let numbers = *numbers.data().await?;
    let activities: Arc<Vec<Activity>> = activity.data().await?;
    let users = filter.users().iter().map(String::as_str);
    let page = Dashboard {
        datastar: &DATASTAR,
        figures: figures(&numbers),
        number_signals: serde_json::to_string(&numbers)?,
        activities: &activities,
        activity_stream: filter.link("/api/sse/activity"),
        fetching: FETCHING,
        chosen: users
            .map(|user| (user, filter.without(user).link("/")))
            .collect(),
    };
    Ok(page.render()?)
}

fn figures(numbers: &Numbers) -> [Figure; 3] {
    let figure = |label, signal, number| Figure {
        label,
        signal,
        text: thousands(number),
    };
    [
        figure("Projects", "projectCount", numbers.projects),
        figure("Users", "userCount", numbers.users),
        figure("Connections", "connectionCount", numbers.connections),
    ]
}

/// With a separator between thousands, as a browser whose language is English writes it.
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
