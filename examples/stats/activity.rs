//! The newest activity, of everybody or of some: how it is found, and how it is told.

use askama::Template;
use datastar::{
    DatastarEvent,
    prelude::{PatchElements, PatchSignals},
};
use rusqlite::{Connection, Row, params_from_iter};
use serde::Serialize;

use super::{feed::View, filter::Filter};

/// Most items of a list.
pub const MAX_ITEMS: usize = 10;

/// What somebody did, and when, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Activity {
    #[serde(skip)]
    pub id: i64,
    pub user: String,
    pub action: String,
    pub time: String,
}

impl Activity {
    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            user: line(row, 1)?,
            action: line(row, 2)?,
            time: line(row, 3)?,
        })
    }

    /// For those who read without scripts; a browser with scripts shows its own time zone's.
    pub fn moment(&self) -> String {
        match (self.time.get(..10), self.time.get(11..19)) {
            (Some(date), Some(clock)) => format!("{date} {clock} UTC"),
            _ => self.time.clone(),
        }
    }

    pub fn link(&self) -> String {
        Filter::of_one(&self.user).link("/")
    }
}

/// A column as one line of text, whatever another program wrote there.
fn line(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let text = String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?);
    Ok(text.replace(char::is_control, " "))
}

/// The list as the page has it.
#[derive(Debug, Template)]
#[template(path = "activity.html")]
struct List<'a> {
    activities: &'a [Activity],
}

/// The list as signals of the page.
#[derive(Debug, Serialize)]
struct Signals<'a> {
    activities: &'a [Activity],
    loading: bool,
}

/// The view of the newest activity of these users.
#[derive(Debug, Clone)]
pub struct ActivityView(pub Filter);

impl View for ActivityView {
    type Data = Vec<Activity>;

    fn read(&self, database: &Connection) -> rusqlite::Result<Vec<Activity>> {
        let users = self.0.users();
        let whose = if users.is_empty() {
            String::new()
        } else {
            format!("WHERE user IN ({})", vec!["?"; users.len()].join(", "))
        };
        let newest = format!(
            "SELECT id, user, action, time FROM activity {whose} ORDER BY id DESC LIMIT {MAX_ITEMS}"
        );
        let mut newest = database.prepare(&newest)?;
        newest
            .query_map(params_from_iter(users), Activity::of_row)?
            .collect()
    }

    /// Datastar has no loop over a list of signals: the page's own list goes out as elements, which
    /// are morphed by their ids, and the signals are for whoever wants the items.
    fn patches(&self, activities: &Vec<Activity>) -> Result<Vec<DatastarEvent>, askama::Error> {
        let signals = Signals {
            activities,
            loading: false,
        };
        let signals = serde_json::to_string(&signals).map_err(askama::Error::custom)?;
        Ok(vec![
            PatchElements::new(List { activities }.render()?).into(),
            PatchSignals::new(signals).into(),
        ])
    }
}
