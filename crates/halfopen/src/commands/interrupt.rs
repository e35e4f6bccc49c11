//! Ctrl-C, or SIGTERM, where a command has something to finish first.

use crate::exit;
use anyhow::{Context, Result};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// At the first Ctrl-C or SIGTERM, `stop` is called. The second one ends the program.
pub fn at_ctrl_c(stop: impl FnOnce() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot watch for Ctrl-C")?;
    let mut term = {
        let _runtime = runtime.enter();
        signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            if asked(&mut term).await {
                stop();
            }
            if asked(&mut term).await {
                std::process::exit(exit::FAILED.into());
            }
        });
    });
    Ok(())
}

async fn asked(term: &mut Signal) -> bool {
    tokio::select! {
        interrupted = ctrl_c() => interrupted.is_ok(),
        terminated = term.recv() => terminated.is_some(),
    }
}
