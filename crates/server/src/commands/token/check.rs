//! Says why a token is accepted or refused by a server with these settings.

use std::{
    io::{self, Read as _},
    time::SystemTime,
};

use sse_broadcaster_access::{
    authorize::Tokens,
    issuer::{Issuer, Issuers, Purpose},
    mint::Explanation,
    token::{Context, MAX_TOKEN_BYTES},
};
use sse_broadcaster_cli::{Failure, Secret, print};

use crate::{config::TokenConfig, process::token_keys::TokenKeys};

/// More than the longest token, so that what is too long is reported by the check.
const MAX_INPUT_BYTES: u64 = 4 * MAX_TOKEN_BYTES as u64;

/// What is checked, and by which rules.
pub(super) struct Check<'a> {
    /// `None` is standard input.
    pub(super) token: Option<&'a Secret>,
    pub(super) topics: &'a [String],
    pub(super) settings: &'a TokenConfig,
    /// Mercure 0.x has tokens without end.
    pub(super) as_hub: bool,
}

pub(super) fn run(check: &Check<'_>) -> Result<(), Failure> {
    let Check {
        token,
        topics,
        settings,
        as_hub,
    } = *check;
    if !settings.has_keys() {
        return Err(Failure::usage(
            "there are no keys to check the token with: give --token-key-file, --token-jwks-url or \
             SSE_BROADCASTER_TOKEN_KEY, as the server has them",
        ));
    }
    let (keys, _) = TokenKeys::load(settings).map_err(|bad| Failure::usage(bad.to_string()))?;
    let token = match token {
        Some(token) => token.clone(),
        None => read_input()?,
    };
    let mut issuers = keys.issuers();
    if as_hub {
        issuers = Issuers::new(issuers.iter().cloned().map(Issuer::without_expiry));
    }
    let not_fetched = fetch(&Tokens::new(issuers.clone()))?;
    let context = Context {
        purpose: Purpose::Subscribe,
        resource: None,
        base: None,
        now: SystemTime::now(),
    };
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    let explanation = Explanation::of(bare(token.expose()), &issuers, context, &topics);
    let text = explanation.to_string();
    let mut lines: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
    match &explanation.outcome {
        Ok(verified) => lines.push(until(verified.until)),
        Err(_) => lines.extend(not_fetched),
    }
    print(&lines)?;
    explanation
        .outcome
        .map(drop)
        .map_err(|why| Failure::new(format!("the token is refused: {}", why.code())))
}

/// Fetches key sets, and returns what could not be fetched.
fn fetch(tokens: &Tokens) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Failure::new(format!("the keys cannot be fetched: {why}")))?;
    let errors = runtime.block_on(tokens.fetch_keys());
    Ok(errors.iter().map(ToString::to_string).collect())
}

fn read_input() -> Result<Secret, Failure> {
    let mut text = String::new();
    let mut input = io::stdin().lock().take(MAX_INPUT_BYTES);
    input
        .read_to_string(&mut text)
        .map_err(|why| Failure::new(format!("standard input: {why}")))?;
    Ok(Secret::from(text.as_str()))
}

/// What is copied from a header has the scheme before it.
fn bare(text: &str) -> &str {
    match text.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim(),
        _ => text,
    }
}

fn until(until: Option<SystemTime>) -> String {
    let Some(until) = until else {
        return "until:     without end".to_owned();
    };
    let left = until.duration_since(SystemTime::now()).unwrap_or_default();
    let left = std::time::Duration::from_secs(left.as_secs());
    format!(
        "until:     {} (in {}, with the leeway)",
        humantime::format_rfc3339_seconds(until),
        humantime::format_duration(left)
    )
}
