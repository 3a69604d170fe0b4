//! A pattern in a rule, with the base that a URL pattern has.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use crate::pattern::{BaseUrl, Pattern};

#[expect(clippy::ref_option, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(
    pattern: &Option<Pattern>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Some(pattern) = pattern else {
        return serializer.serialize_none();
    };
    let mut json = pattern.to_json();
    if let (Some(base), Value::Object(object)) = (pattern.base(), &mut json) {
        object.insert("base".to_owned(), base.as_str().into());
    }
    json.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Pattern>, D::Error> {
    let mut json = Value::deserialize(deserializer)?;
    if json.is_null() {
        return Ok(None);
    }
    let base = json.as_object_mut().and_then(take_base);
    let base = base.map(|base| BaseUrl::parse(&base)).transpose();
    let pattern = base.and_then(|base| Pattern::from_json(&json, base.as_ref()));
    pattern.map(Some).map_err(D::Error::custom)
}

fn take_base(object: &mut Map<String, Value>) -> Option<String> {
    match object.remove("base")? {
        Value::String(base) => Some(base),
        _ => None,
    }
}
