//! SIGINT and SIGTERM, for commands that run until they are stopped.

use std::thread;

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use super::Failure;

/// Calls `then` for each SIGINT and SIGTERM, on a thread of its own.
///
/// # Errors
/// When the signals cannot be waited for.
pub fn on_end(mut then: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(format!(
            "the handlers of SIGINT and SIGTERM cannot be installed: {error}"
        ))
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(cannot)?;
    let entered = runtime.enter();
    let mut interrupts = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(cannot)?;
    drop(entered);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                loop {
                    tokio::select! {
                        _ = interrupts.recv() => then(),
                        _ = terminations.recv() => then(),
                    }
                }
            });
        })
        .map_err(cannot)?;
    Ok(())
}
