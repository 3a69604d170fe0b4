//! SIGINT and SIGTERM, for commands that go on until they are told to end.

use std::thread;

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use super::Failure;

/// Calls `then` for each of them, on a thread of its own.
///
/// # Errors
/// When the system lets no signal be waited for.
pub fn on_end(mut then: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("signals: {error}"));
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
