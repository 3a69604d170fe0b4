//! The names of the fields of an event, and which of them a request gives.

/// A field, by its name in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Topic,
    Topics,
    Event,
    Id,
    Data,
    Retry,
    Private,
    Finish,
    Traceparent,
}

impl Field {
    pub(super) const ALL: [Self; 9] = [
        Self::Topic,
        Self::Topics,
        Self::Event,
        Self::Id,
        Self::Data,
        Self::Retry,
        Self::Private,
        Self::Finish,
        Self::Traceparent,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Topics => "topics",
            Self::Event => "event",
            Self::Id => "id",
            Self::Data => "data",
            Self::Retry => "retry",
            Self::Private => "private",
            Self::Finish => "finish",
            Self::Traceparent => "traceparent",
        }
    }
}

/// A set of fields. Each is a bit, since one is built for every event that is published.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FieldSet(u16);

impl FieldSet {
    pub(super) fn contains(self, field: Field) -> bool {
        self.0 & bit(field) != 0
    }

    /// False if the field was in the set.
    pub(super) fn insert(&mut self, field: Field) -> bool {
        let is_new = !self.contains(field);
        self.0 |= bit(field);
        is_new
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Field> {
        let all = Field::ALL.into_iter();
        all.filter(move |field| self.contains(*field))
    }
}

fn bit(field: Field) -> u16 {
    1 << field as u8
}
