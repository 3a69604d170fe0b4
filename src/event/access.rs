//! What a subscriber may read, beside what it asks for.

use std::fmt;

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
