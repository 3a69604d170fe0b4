//! What an error of Redis means for the command, and for the connection that it came by.

use ::redis::RedisError;

/// Codes by which Redis refuses a command before it does anything. In a script that is its first write:
/// later writes of a script are not refused any more.
const REFUSALS: [&str; 17] = [
    "LOADING",
    "READONLY",
    "OOM",
    "MISCONF",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "BUSY",
    "MASTERDOWN",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "NOSCRIPT",
    "NOPROTO",
];
/// Those after which another connection may do better.
const ELSEWHERE: [&str; 8] = [
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "NOAUTH",
    "MOVED",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "NOPROTO",
];

/// The code by which Redis refused the command. Before 7.0 a refusal inside a script has the code `ERR`
/// and stands in the text: `ERR Error running script (call to f_…): @user_script:9: -READONLY You can't …`;
/// where the script passed it on by itself, the text begins at `@user_script`.
fn code_of(error: &RedisError) -> Option<&'static str> {
    let known = |word: &str| REFUSALS.into_iter().find(|refusal| *refusal == word);
    // What a script of Redis 6 passes on has a dash of its own.
    let bare = |word: &'_ str| known(word.strip_prefix('-').unwrap_or(word));
    let code = error.code()?;
    if let Some(refusal) = bare(code) {
        return Some(refusal);
    }
    let text = error.detail()?;
    let is_of_a_script =
        code == "ERR" && text.contains("script") || code.starts_with("@user_script");
    if !is_of_a_script {
        return None;
    }
    text.split_whitespace().find_map(bare)
}

/// Whether the command was surely not carried out: Redis refused it.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    code_of(error).is_some()
}

/// Another connection may do better: this one is broken, or leads to what is no primary (any more).
pub(super) fn is_lost(error: &RedisError) -> bool {
    match code_of(error) {
        Some(code) => ELSEWHERE.contains(&code),
        None => error.code().is_none(),
    }
}

/// The server takes no events any more, for whichever connection.
pub(super) fn is_demoted(error: &RedisError) -> bool {
    matches!(code_of(error), Some("READONLY" | "MASTERDOWN"))
}

#[cfg(test)]
mod tests {
    use ::redis::{RedisError, parse_redis_value};

    use super::*;

    fn error(line: &str) -> RedisError {
        let reply = parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("a reply");
        reply.extract_error().expect_err("an error")
    }

    #[test]
    fn a_refusal_is_recognised_by_its_code_and_within_the_text_of_a_script_of_redis_6() {
        let in_script =
            "ERR Error running script (call to f_7e1): @user_script:9: @user_script: 9: ";
        for (refusal, lost) in [
            (
                "READONLY You can't write against a read only replica.",
                true,
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                false,
            ),
            ("NOREPLICAS Not enough good replicas to write.", true),
            ("MISCONF Redis is configured to save RDB snapshots", false),
        ] {
            for line in [
                refusal.to_owned(),
                format!("{refusal} script: 7e1, on @user_script:9."),
                format!("@user_script: 9: -{refusal}"),
                format!("{in_script}-{refusal}"),
                format!("{in_script}{refusal}"),
            ] {
                let error = error(&line);
                assert!(is_refusal(&error), "{line}");
                assert_eq!(is_lost(&error), lost, "{line}");
                assert_eq!(is_demoted(&error), line.contains("READONLY"), "{line}");
            }
        }
    }

    #[test]
    fn an_error_that_is_no_refusal_leaves_the_outcome_unknown() {
        for line in [
            "ERR Error running script (call to f_7e1): @user_script:9: attempt to index a nil value",
            "ERR unknown command 'READONLYX'",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ] {
            let error = error(line);
            assert!(!is_refusal(&error) && !is_lost(&error), "{line}");
        }
    }
}
