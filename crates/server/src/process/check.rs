//! Checks the settings without serving.

use sse_broadcaster::{Broadcaster, Memory};

use super::{
    admission::Admission, broadcaster_options::options, certificates, error::ServeError, history,
    logging, presence,
};
use crate::{
    config::{Config, LogLocation},
    traces,
};

/// Checks what the start would, but for what other programs decide: ports, the log, key sets by URL. Files with keys
/// are read.
///
/// # Errors
/// For the first setting that is not valid, and for a file that cannot be read.
pub(crate) fn check(config: &mut Config) -> Result<(), ServeError> {
    logging::start(config)?;
    config.read_secret_files()?;
    traces::check(config)?;
    let (mut addresses, admin) = config.addresses()?;
    addresses.extend(admin);
    actix_web::rt::System::new().block_on(async {
        Admission::read(config, &addresses)?;
        certificates::check(&config.tls)?;
        match config.history.location()? {
            LogLocation::Redis(url) => drop(history::connect_to_redis(config, url)?),
            LogLocation::Postgres(url) => drop(history::connect_to_postgres(config, url)?),
            LogLocation::Memory | LogLocation::Disk(_) => {}
        }
        let window = Memory::new(config.history.window());
        Broadcaster::start(window, options(config, usize::MAX)?)?;
        Ok(presence::options(config).map(drop)?)
    })
}
