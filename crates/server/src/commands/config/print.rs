//! The settings that are in effect, as TOML.

use url::Url;

use super::toml;
use crate::config::{Given, Shown, Source};

/// What is shown instead of a password in a URL.
const HIDDEN: &str = "hidden";

/// A line for each setting.
pub(super) fn lines(given: &Given) -> Vec<String> {
    let settings = given.all().filter(|(_, shown)| shown.may_be_in_a_file);
    settings.map(|(flag, shown)| line(flag, shown)).collect()
}

fn line(flag: &str, shown: &Shown) -> String {
    if shown.values.is_empty() {
        return format!("# {flag} is not set");
    }
    let source = source(shown);
    if shown.is_secret {
        return format!("# {flag} is set, and hidden  # {source}");
    }
    let values: Vec<_> = shown
        .values
        .iter()
        .map(|value| without_password(value))
        .collect();
    let value = toml::values(&shown.kind, shown.is_repeatable, &values);
    format!("{flag} = {value}  # {source}")
}

fn source(shown: &Shown) -> String {
    let other = || match shown.source {
        Source::Variable => shown.variable.clone(),
        Source::Flag => "command line".to_owned(),
        _ => "default".to_owned(),
    };
    shown.source.place().unwrap_or_else(other)
}

/// A URL may have a password, whatever setting it is of.
fn without_password(value: &str) -> String {
    let Ok(mut url) = Url::parse(value) else {
        return value.to_owned();
    };
    if url.password().is_none() || url.set_password(Some(HIDDEN)).is_err() {
        return value.to_owned();
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_hidden_and_all_else_stays() {
        for (value, shown) in [
            (
                "https://a:secret@app.example/x?y",
                "https://a:hidden@app.example/x?y",
            ),
            ("https://app.example", "https://app.example"),
            ("rooms/{id}", "rooms/{id}"),
            ("127.0.0.1:8000", "127.0.0.1:8000"),
        ] {
            assert_eq!(without_password(value), shown);
        }
    }
}
