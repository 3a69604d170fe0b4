//! Opens the engine, and does not take a log that is shorter than what was acknowledged.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    Options,
    directory::{Directory, OpenError},
    engine::{Fault, Store, check_journal, check_manifests, remove_unfinished},
    high_water_mark::{HighWater, HighWaterMark},
    log::Log,
    repair::repair,
};
use sse_broadcaster::event::{EventId, Stored};

/// A log, and what is needed of it at once.
pub(super) struct Opened {
    pub(super) log: Log,
    /// The newest events, which memory holds, and the position before them.
    pub(super) newest: Vec<Arc<Stored>>,
    pub(super) before: EventId,
    pub(super) oldest: Option<EventId>,
}

/// Opens the log of a directory, or creates it. What cannot be read of its events is lost.
pub(super) fn open_log(
    directory: &Directory,
    options: &Options,
    mark: &mut HighWaterMark,
    high_water: Option<HighWater>,
) -> Result<Opened, OpenError> {
    let path = directory.path().display();
    let refused = |fault| refused(directory, fault);
    let log = open_engine(directory, options, high_water).map_err(refused)?;
    let opened = match look(log, options) {
        Err(fault @ Fault::Damaged(_)) => {
            log::warn!("the log in {path} is damaged: {fault}; it is repaired now");
            repair(&directory.engine(), options.cache_bytes, None, &fault).map_err(refused)?;
            open_engine(directory, options, high_water).and_then(|log| look(log, options))
        }
        looked => looked,
    };
    let opened = opened.map_err(refused)?;
    let synced = opened.log.store.sync();
    synced.map_err(|fault| {
        OpenError::new(format!("{path} cannot be written: {fault}")).caused_by(fault)
    })?;
    let note = mark
        .advance(opened.log.high_water(true))
        .and_then(|()| mark.sync());
    let note = note.and_then(|()| directory.sync());
    note.map_err(|error| {
        OpenError::new(format!("{path} cannot be written: {error}")).caused_by(error)
    })?;
    Ok(opened)
}

fn look(mut log: Log, options: &Options) -> Result<Opened, Fault> {
    if log.store.is_in_repair()? {
        return Err(Fault::Damaged("its repair was interrupted".into()));
    }
    let (before, newest) = log.newest(options.window)?;
    let oldest = log.find_oldest()?;
    Ok(Opened {
        log,
        newest,
        before,
        oldest,
    })
}

pub(super) fn open_engine(
    directory: &Directory,
    options: &Options,
    high_water: Option<HighWater>,
) -> Result<Log, Fault> {
    if high_water.is_none() {
        remove_unfinished(&directory.engine())?;
    }
    check_manifests(&directory.engine())?;
    check_journal(&directory.engine(), high_water)?;
    // The engine meets some damage with a panic.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Log::resume(Store::open(&directory.engine(), options.cache_bytes)?)
    }));
    let opened =
        opened.unwrap_or_else(|_| Err(Fault::Damaged("its files make no sense".into())))?;
    let log = match (opened, high_water) {
        (Ok(log), _) => log,
        (Err(store), None) => Log::create(store)?,
        (Err(_), Some(_)) => return Err(Fault::Damaged("all of it is lost".into())),
    };
    let Some(high_water) = high_water else {
        return Ok(log);
    };
    let standing = &log.standing;
    if high_water.epoch != standing.epoch {
        return Err(Fault::Damaged(
            "its file head belongs to another log".into(),
        ));
    }
    match high_water.written.checked_sub(standing.head_number) {
        None | Some(0) => Ok(log),
        Some(missing) => {
            let what = format!("it ends {missing} events before the last that was acknowledged");
            Err(Fault::Damaged(what.into()))
        }
    }
}

/// Why the log is not taken, with the choice there is.
pub(super) fn refused(directory: &Directory, fault: Fault) -> OpenError {
    let path = directory.path().display();
    let sentence = match &fault {
        Fault::Version(_) => format!(
            "the files in {path} are of another version of the engine: run the version that wrote \
             them, or give another directory"
        ),
        Fault::Io(_) | Fault::Stopped => format!(
            "{path} cannot be used: {fault}; --data-dir wants a directory that the server's user may \
             write to, on a disk with room"
        ),
        Fault::Damaged(why) => format!(
            "the log in {path} is damaged: {why}. Restore a copy of the directory; or move it away to \
             begin an empty log, or delete the file head in it to go on with what is left: \
             subscribers receive a gap"
        ),
    };
    OpenError::new(sentence).caused_by(fault)
}
