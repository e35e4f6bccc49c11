//! What `top` waits for, in one place: keys, signals and the daemon's answers. Each has a thread.

use super::daemon::{self, Look, Question};
use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Something that has happened.
#[derive(Debug)]
pub enum Heard {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// The daemon has answered, or not.
    Looked(Box<Result<Look, String>>),
    /// What became of an order.
    Carried(String),
    /// A signal asks for the end, or the terminal is gone.
    End,
}

/// Where it is heard, and where the daemon is asked.
#[derive(Debug)]
pub struct Inputs {
    heard: Receiver<Heard>,
    questions: Sender<Question>,
}

impl Inputs {
    /// Waits for the next thing to happen.
    pub fn next(&self, patience: Duration) -> Result<Heard, RecvTimeoutError> {
        self.heard.recv_timeout(patience)
    }

    /// Asks the daemon: its answer is heard later.
    pub fn ask(&self, question: Question) -> Result<()> {
        self.questions.send(question).context("the thread that asks the daemon has ended")
    }
}

/// Begins to listen.
///
/// # Errors
/// If there is no thread or no signal handler for it.
pub fn listen() -> io::Result<Inputs> {
    let (sends, heard) = channel();
    let (questions, asked) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let signals = {
        let _inside = runtime.enter();
        [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()]
            .map(signal)
    };
    for signal in signals {
        let (mut signal, sends) = (signal?, sends.clone());
        runtime.spawn(async move {
            signal.recv().await;
            let _ = sends.send(Heard::End);
        });
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(std::future::pending::<()>());
    })?;
    let of_keys = sends.clone();
    thread::Builder::new().name("keys".into()).spawn(move || keys(&of_keys))?;
    thread::Builder::new().name("daemon".into()).spawn(move || answers(&asked, &sends))?;
    Ok(Inputs { heard, questions })
}

fn keys(sends: &Sender<Heard>) {
    loop {
        let heard = match event::read() {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => Heard::Key(key),
            Ok(Event::Resize(..)) => Heard::Resized,
            Ok(_) => continue,
            Err(_) => Heard::End,
        };
        let is_end = matches!(heard, Heard::End);
        if sends.send(heard).is_err() || is_end {
            return;
        }
    }
}

fn answers(asked: &Receiver<Question>, sends: &Sender<Heard>) {
    while let Ok(question) = asked.recv() {
        let heard = match question {
            Question::Look(inspected) => Heard::Looked(Box::new(daemon::look(inspected))),
            Question::Carry(order) => Heard::Carried(daemon::carry(&order)),
        };
        if sends.send(heard).is_err() {
            return;
        }
    }
}
