use sse_broadcaster::event::EventId;

/// The condition of a write, as conditional requests have it (RFC 9110), with versions for entity tags. By
/// default there is none.
///
/// ```
/// use serde_json::json;
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_signals::{Condition, SignalName, Signals};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let signals = Signals::new(&broadcaster);
/// let name: SignalName = "counter".parse()?;
/// let first = signals.set(&name, &Condition::is_new(), json!(1)).await?;
/// let version = first.document.expect("it was set").version;
/// signals.set(&name, &Condition::is(version), json!(2)).await?;
/// let outdated = signals.set(&name, &Condition::is(version), json!(3)).await;
/// assert_eq!(outdated.unwrap_err().code(), "changed");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Condition {
    /// `If-Match`.
    pub matches: Option<Versions>,
    /// `If-None-Match`.
    pub matches_none: Option<Versions>,
}

/// The versions that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Versions {
    /// Any version: the document exists.
    Any,
    /// One of these.
    These(Vec<EventId>),
}

impl Versions {
    /// Whether this version is among them.
    #[must_use]
    pub fn hold(&self, version: EventId) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
        }
    }
}

impl Condition {
    /// The document is still of this version.
    #[must_use]
    pub fn is(version: EventId) -> Self {
        Self {
            matches: Some(Versions::These(vec![version])),
            matches_none: None,
        }
    }

    /// There is no document yet.
    #[must_use]
    pub fn is_new() -> Self {
        Self {
            matches: None,
            matches_none: Some(Versions::Any),
        }
    }

    /// The versions of `If-Match` and of `If-None-Match`.
    #[must_use]
    pub fn new(matches: Option<Versions>, matches_none: Option<Versions>) -> Self {
        Self {
            matches,
            matches_none,
        }
    }

    /// Whether the condition holds for a document of this version; `None` is no document.
    #[must_use]
    pub fn holds(&self, version: Option<EventId>) -> bool {
        let held = |versions: &Versions| version.is_some_and(|version| versions.hold(version));
        self.matches.as_ref().is_none_or(held) && !self.matches_none.as_ref().is_some_and(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_checked_against_the_version_of_the_document() {
        let (one, two) = (EventId::new(1, 0), EventId::new(2, 0));
        assert!(Condition::default().holds(None) && Condition::default().holds(Some(one)));
        assert!(Condition::is(one).holds(Some(one)));
        assert!(!Condition::is(one).holds(Some(two)) && !Condition::is(one).holds(None));
        assert!(Condition::is_new().holds(None) && !Condition::is_new().holds(Some(one)));
        let exists = Condition {
            matches: Some(Versions::Any),
            matches_none: None,
        };
        assert!(exists.holds(Some(two)) && !exists.holds(None));
    }
}
