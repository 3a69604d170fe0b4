//! What a subscriber may read, beside what it asks for.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What one subscriber may read. An event needs a grant if it is private, or if one of its topics
/// [always needs one](Self::needs_grant). With a grant on any of its topics the subscriber may read it.
///
/// Called for each event and subscriber that an event's topics match, on every path on which an event leaves: it
/// should return within microseconds.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster::{Event, Selector, event::ReadAccess};
///
/// /// A user reads the topics below their own name.
/// #[derive(Debug)]
/// struct User(String);
///
/// impl ReadAccess for User {
///     fn is_granted(&self, topic: &str) -> bool {
///         topic.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/'))
///     }
///
///     fn needs_grant(&self, _: &str) -> bool {
///         false
///     }
/// }
///
/// let selector = Selector::all().with_access(Arc::new(User("anna".to_owned())));
/// let private = |topic: &str| Event::builder("").topic(topic).private().build();
/// assert!(selector.admits(&private("anna/orders")?));
/// assert!(!selector.admits(&private("annabel/orders")?));
/// assert!(selector.admits(&Event::builder("").topic("news").build()?));
/// # Ok::<_, sse_broadcaster::event::Invalid>(())
/// ```
pub trait ReadAccess: fmt::Debug + Send + Sync {
    /// Whether the subscriber may read private events of this topic.
    fn is_granted(&self, topic: &str) -> bool;

    /// Whether all events of this topic need a grant, private or not.
    fn needs_grant(&self, topic: &str) -> bool;

    /// Whether access has ended, because it was revoked. Asked with each poll of the clock; the stream is cut then.
    fn is_revoked(&self) -> bool {
        false
    }
}

/// What of the topics the subscriber may read.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// What is not private.
    Public,
    Everything,
    By(Arc<dyn ReadAccess>),
}

impl Access {
    /// Whether the subscriber may read an event of these topics.
    pub(super) fn may_read<'a, T>(&self, topics: impl Fn() -> T, private: bool) -> bool
    where
        T: Iterator<Item = &'a str>,
    {
        match self {
            Access::Everything => true,
            Access::Public => !private,
            Access::By(access) => {
                let needs_grant = private || topics().any(|topic| access.needs_grant(topic));
                !needs_grant || topics().any(|topic| access.is_granted(topic))
            }
        }
    }
}

/// By identity: two subscribers are due the same only where they share one access.
impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Public, Self::Public) | (Self::Everything, Self::Everything) => true,
            (Self::By(one), Self::By(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Access {}

impl Hash for Access {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        if let Self::By(access) = self {
            Arc::as_ptr(access).hash(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Selector};

    /// Grants one topic, and has another need a grant always.
    #[derive(Debug)]
    struct Grants {
        granted: &'static str,
        protected: &'static str,
    }

    impl ReadAccess for Grants {
        fn is_granted(&self, topic: &str) -> bool {
            topic == self.granted
        }

        fn needs_grant(&self, topic: &str) -> bool {
            topic == self.protected
        }
    }

    #[test]
    fn a_private_event_and_one_of_a_protected_topic_need_a_grant_on_any_of_their_topics() {
        let event = |topics: &[&str], private: bool| {
            let event = topics
                .iter()
                .fold(Event::builder(""), |event, topic| event.topic(*topic));
            let event = if private { event.private() } else { event };
            event.build().unwrap()
        };
        let access = |granted, protected| {
            let access = Arc::new(Grants { granted, protected });
            Selector::topics(&["a", "b"]).unwrap().with_access(access)
        };
        let cases = [
            // topics, private, granted, protected: admitted
            (&["a"][..], false, "-", "-", true),
            (&["a"], true, "-", "-", false),
            (&["a"], true, "a", "-", true),
            (&["a"], true, "b", "-", false),
            (&["a", "c"], true, "c", "-", true),
            (&["c"], true, "c", "-", false),
            (&["a"], false, "-", "a", false),
            (&["a"], false, "a", "a", true),
            (&["a", "c"], false, "-", "c", false),
            (&["a", "c"], false, "c", "c", true),
            (&["b"], false, "a", "a", true),
        ];
        for (topics, private, granted, protected, admitted) in cases {
            let selector = access(granted, protected);
            let found = selector.admits(&event(topics, private));
            assert_eq!(
                found, admitted,
                "{topics:?} {private} {granted} {protected}"
            );
        }
    }

    #[test]
    fn selectors_are_alike_only_where_they_share_one_access() {
        let access = || -> Arc<dyn ReadAccess> {
            Arc::new(Grants {
                granted: "a",
                protected: "",
            })
        };
        let shared = access();
        let of = |access: &Arc<dyn ReadAccess>| Selector::all().with_access(Arc::clone(access));
        assert_eq!(of(&shared), of(&shared));
        assert_ne!(of(&shared), of(&access()));
        assert_ne!(of(&shared), Selector::all());
    }
}
