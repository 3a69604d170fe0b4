use serde_json::Value;

use super::{Brought, SignalName};
use crate::event::{Invalid, SignalForm};

/// What a request asks of a stream of signals.
#[derive(Debug)]
pub(crate) struct SignalsWish {
    pub(crate) names: Vec<SignalName>,
    pub(crate) form: SignalForm,
    pub(crate) brought: Brought,
}

impl SignalsWish {
    /// From the pairs of the query. That a client resumes is known by the id that it brings in the
    /// header; which one says nothing, since the state is sent whole.
    pub(crate) fn read(
        pairs: impl Iterator<Item = (String, String)>,
        header_id: bool,
    ) -> Result<Self, Invalid> {
        let mut wish = Self {
            names: Vec::new(),
            form: SignalForm::default(),
            brought: Brought {
                resumed: header_id,
                held: None,
            },
        };
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "name" => wish.names.push(SignalName::new(&value)?),
                "format" => wish.form = read_form(&value)?,
                "datastar" => wish.brought.held = serde_json::from_str::<Value>(&value).ok(),
                _ => {}
            }
        }
        Ok(wish)
    }
}

fn read_form(text: &str) -> Result<SignalForm, Invalid> {
    match text {
        "patch" => Ok(SignalForm::Patch),
        "event" => Ok(SignalForm::Event),
        "datastar" => Ok(SignalForm::Datastar),
        _ => Err(Invalid::new(
            "invalid_format",
            "format is patch, event or datastar",
        )),
    }
}
