//! Where a stream begins and what it asks for, as a request says it, whichever framework has read that.

mod since;

use crate::{
    broadcaster::{Broadcaster, Start, SubscribeError, Subscription},
    event::{Form, Invalid, Selector},
    form,
};

/// The names under which clients send their last id in the query.
const LAST_ID_NAMES: [&str; 4] = [
    "last_event_id",
    "lastEventId",
    "lastEventID",
    "Last-Event-ID",
];

/// What a request asks of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    selector: Selector,
    /// `None` where the request does not say.
    form: Option<Form>,
    start: Start,
    until_head: bool,
}

impl Wish {
    pub(crate) fn of_what(self, selector: Selector) -> Self {
        Self { selector, ..self }
    }

    /// The same as JSON, which is all that a WebSocket carries.
    #[cfg(feature = "server")]
    pub(crate) fn into_json(self) -> Result<Self, Invalid> {
        if self.form == Some(Form::Sse) {
            return Err(Invalid::new(
                "invalid_format",
                "a WebSocket carries each event as JSON; leave format away, or say format=json",
            ));
        }
        Ok(Self {
            form: Some(Form::Json),
            ..self
        })
    }

    pub(crate) fn grant(self, broadcaster: &Broadcaster) -> Result<Subscription, SubscribeError> {
        let form = self.form.unwrap_or_default();
        let mut subscription = broadcaster.subscribe(self.selector, form, self.start)?;
        if self.until_head {
            subscription.tell_head();
        }
        Ok(subscription)
    }

    /// From the query, and the header `Last-Event-ID` where there is one. That wins over the query, which
    /// an `EventSource` repeats as it was at each reconnect.
    pub(crate) fn read(query: &str, header_id: Option<&[u8]>) -> Result<Self, Invalid> {
        let header_id = header_id.map(|id| String::from_utf8_lossy(id).into_owned());
        let mut topics = Vec::new();
        let (mut query_id, mut since, mut last) = (None, None, None);
        let (mut form, mut until_head) = (None, false);
        for (name, value) in
            form::lossy_pairs(query.as_bytes()).filter(|(_, value)| !value.is_empty())
        {
            match name.as_str() {
                "topic" => topics.push(value),
                "since" => since = Some(value),
                "last" => last = Some(value),
                "format" => form = Some(read_form(&value)?),
                "until" => until_head = read_until(&value)?,
                name if LAST_ID_NAMES.contains(&name) => query_id = Some(value),
                _ => {}
            }
        }
        let id = header_id.filter(|id| !id.is_empty()).or(query_id);
        let mut start = match (id, since, last) {
            (Some(id), _, _) => Start::After(id),
            (None, Some(since), _) => since::read(&since)?,
            (None, None, Some(last)) => read_last(&last)?,
            (None, None, None) => Start::Fresh,
        };
        if until_head && start == Start::Fresh {
            start = Start::Last(0);
        }
        Ok(Self {
            selector: Selector::topics(&topics)?,
            form,
            start,
            until_head,
        })
    }
}

fn read_form(text: &str) -> Result<Form, Invalid> {
    match text {
        "sse" => Ok(Form::Sse),
        "json" => Ok(Form::Json),
        _ => Err(Invalid::new("invalid_format", "format is json or sse")),
    }
}

fn read_until(text: &str) -> Result<bool, Invalid> {
    match text {
        "head" => Ok(true),
        _ => Err(Invalid::new("invalid_until", "until is head")),
    }
}

fn read_last(text: &str) -> Result<Start, Invalid> {
    match text.parse() {
        Ok(0) => Ok(Start::Fresh),
        Ok(count) => Ok(Start::Last(count)),
        Err(_) => Err(Invalid::new("invalid_last", "last is a number of events")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(query: &str, header: Option<&str>) -> Wish {
        Wish::read(query, header.map(str::as_bytes)).unwrap()
    }

    fn after(id: &str) -> Start {
        Start::After(id.to_owned())
    }

    #[test]
    fn the_header_wins_over_the_query_and_an_id_over_since_and_last() {
        let query = "lastEventId=2-2&since=earliest&last=3";
        assert_eq!(wish(query, Some("1-1")).start, after("1-1"));
        assert_eq!(wish(query, Some("")).start, after("2-2"));
        assert_eq!(wish("since=earliest&last=3", None).start, Start::Earliest);
        assert_eq!(wish("last=3", None).start, Start::Last(3));
        assert_eq!(wish("", None).start, Start::Fresh);
    }

    #[test]
    fn every_spelling_of_the_last_id_is_one() {
        for name in LAST_ID_NAMES {
            assert_eq!(wish(&format!("{name}=7-7"), None).start, after("7-7"));
        }
    }

    #[test]
    fn garbage_in_an_id_is_taken_and_unknown_parameters_are_ignored() {
        let wish = wish("last_event_id=%FF%00&datastar={}&nonsense", None);
        assert_eq!(wish.start, after("\u{FFFD}\0"));
        assert_eq!(wish.selector, Selector::topics(&["default"]).unwrap());
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_web_socket_carries_json_and_nothing_else() {
        for query in ["", "format=json", "format="] {
            assert_eq!(
                wish(query, None).into_json().unwrap().form,
                Some(Form::Json)
            );
        }
        let refused = wish("format=sse", None).into_json().unwrap_err();
        assert_eq!(refused.code(), "invalid_format");
    }

    #[test]
    fn what_can_never_work_is_refused() {
        for (query, code) in [
            ("topic=a{b}", "invalid_topic"),
            ("since=yesterday", "invalid_since"),
            ("last=some", "invalid_last"),
            ("format=xml", "invalid_format"),
        ] {
            let refused = Wish::read(query, None).unwrap_err();
            assert_eq!(refused.code(), code);
        }
    }
}
