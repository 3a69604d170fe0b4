//! The key or the token in `Authorization: Bearer`.

/// What a header's value has behind `Bearer`, in whatever case; `None` for another scheme, and for nothing.
pub(super) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
        .filter(|key| !key.is_empty())
}

/// Whether this may be a JSON Web Token: each of the three parts of one is behind a dot, but for the first.
pub(super) fn is_token(sent: &[u8]) -> bool {
    sent.split(|byte| *byte == b'.').count() == 3
}
