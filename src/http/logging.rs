//! What is logged, and how a line looks.

use std::io;

use crate::{
    config::{BadSetting, Config, LogFormat},
    history::disk::ENGINE_LOG_TARGETS,
};

/// Without a setting: what an operator wants to know. The dispatcher underneath takes each client
/// that goes away for an error.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=off";

fn default_filter() -> String {
    let quiet = ENGINE_LOG_TARGETS.map(|target| format!(",{target}=off"));
    DEFAULT_FILTER.to_owned() + &quiet.concat()
}

/// Sends the log to standard error, as the settings say.
///
/// # Errors
/// When the filter cannot be read.
pub(super) fn start(config: &Config) -> Result<(), BadSetting> {
    let settings = [config.log.clone(), std::env::var("RUST_LOG").ok()];
    let filter = settings
        .into_iter()
        .flatten()
        .find(|filter| !filter.trim().is_empty());
    let filter = filter.unwrap_or_else(default_filter);
    let parsed = env_filter::Builder::new().try_parse(&filter).map(|_| ());
    parsed.map_err(|error| {
        BadSetting(format!(
            "--log {filter}: {error}; give error, warn, info, debug, or a filter as in RUST_LOG"
        ))
    })?;
    let mut logger = env_logger::Builder::new();
    logger.parse_filters(&filter);
    if config.log_format == LogFormat::Json {
        logger.format(|out, record| {
            let line = serde_json::json!({
                "time": out.timestamp_millis().to_string(),
                "level": record.level().as_str(),
                "target": record.target(),
                "message": record.args().to_string(),
            });
            io::Write::write_fmt(out, format_args!("{line}\n"))
        });
    }
    // A second broadcaster in the same process keeps the first one's logger.
    let _ = logger.try_init();
    Ok(())
}
