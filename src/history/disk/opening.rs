//! Opens the engine, and does not take a log that is shorter than what was answered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Options,
    append::Log,
    directory::{Directory, OpenError},
    journal,
    mark::{Mark, Noted},
    store::{Fault, Store},
    versions,
};

/// Opens the log of a directory, or creates it.
pub(super) fn open_log(
    directory: &Directory,
    options: &Options,
    mark: &mut Mark,
    noted: Option<Noted>,
) -> Result<Log, OpenError> {
    let path = directory.path().display();
    let log = open_engine(directory, options, noted).map_err(|fault| refused(directory, &fault))?;
    let synced = log.store.sync();
    synced.map_err(|fault| OpenError(format!("{path} cannot be written: {fault}")))?;
    let note = mark.note(log.noted(true)).and_then(|()| mark.sync());
    let note = note.and_then(|()| directory.sync());
    note.map_err(|error| OpenError(format!("{path} cannot be written: {error}")))?;
    Ok(log)
}

pub(super) fn open_engine(
    directory: &Directory,
    options: &Options,
    noted: Option<Noted>,
) -> Result<Log, Fault> {
    versions::check(&directory.engine())?;
    journal::check(&directory.engine(), noted)?;
    // The engine meets some damage with a panic.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Log::resume(Store::open(&directory.engine(), options.cache_bytes)?)
    }));
    let opened =
        opened.unwrap_or_else(|_| Err(Fault::Damaged("its files make no sense".into())))?;
    let log = match (opened, noted) {
        (Ok(log), _) => log,
        (Err(store), None) => Log::create(store)?,
        (Err(_), Some(_)) => return Err(Fault::Damaged("all of it is lost".into())),
    };
    let Some(noted) = noted else {
        return Ok(log);
    };
    let standing = &log.standing;
    if noted.epoch != standing.epoch {
        return Err(Fault::Damaged(
            "its file head is that of another log".into(),
        ));
    }
    match noted.written.checked_sub(standing.head_number) {
        None | Some(0) => Ok(log),
        Some(missing) => Err(Fault::Damaged(format!(
            "it ends {missing} events before the last that was answered"
        ))),
    }
}

/// Why the log is not taken, with the choice there is.
pub(super) fn refused(directory: &Directory, fault: &Fault) -> OpenError {
    let path = directory.path().display();
    OpenError(match fault {
        Fault::Version => format!(
            "the files in {path} are of another version of the engine: run the version that wrote \
             them, or give another directory"
        ),
        Fault::Io(why) => format!(
            "{path} cannot be used: {why}; --data-dir wants a directory that the server's user may \
             write to, on a disk with room"
        ),
        Fault::Damaged(why) => format!(
            "the log in {path} is damaged: {why}. Restore a copy of the directory; or move it away to \
             begin an empty log, or delete the file head in it to go on with what is left: \
             subscribers are told of a gap"
        ),
    })
}
