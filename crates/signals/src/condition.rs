use sse_broadcaster::event::EventId;

/// The condition of a write: the conditional requests of RFC 9110, whose entity tags are versions here.
/// By default there is none.
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
    /// Any that there is.
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

    /// With these of `If-Match` and of `If-None-Match`.
    #[must_use]
    pub fn new(matches: Option<Versions>, matches_none: Option<Versions>) -> Self {
        Self {
            matches,
            matches_none,
        }
    }

    /// Whether it holds for a document of this version, or for none.
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
    fn a_condition_is_judged_by_the_version_that_there_is() {
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
