//! `top`: accounts and what they do, second by second, on a whole terminal; and what an operator may do about them.

mod account_page;
mod accounts;
mod daemon;
mod draw;
mod input;
mod keys;
mod order;
mod screen;
#[cfg(test)]
mod tests;

use crate::exit::WrongUse;
use anyhow::{Context, Result};
use screen::{Screen, Wish};
use std::io::{self, IsTerminal};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How often the daemon is asked.
const REFRESH: Duration = Duration::from_secs(1);

/// Shows the screen until the user or a signal ends it.
pub fn top() -> Result<()> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(WrongUse("top needs a terminal; `halfopen status --json` is for programs".into()).into());
    }
    if super::watch::is_dumb() {
        let why =
            "this terminal (TERM) cannot move its cursor, which top needs; use `halfopen status --watch`";
        return Err(WrongUse(why.into()).into());
    }
    // Before the terminal changes: what is wrong at once is told as by any other command.
    let first = super::show::asked_status()?;
    let inputs = input::listen().context("cannot listen for keys, signals and answers")?;
    let mut terminal = ratatui::try_init().context("cannot set up the terminal")?;
    let mut screen = Screen::new(is_coloured());
    screen.looked(Instant::now(), Ok((first, None)));
    let ended = shown(&mut terminal, &mut screen, &inputs);
    ratatui::restore();
    ended
}

/// See no-color.org.
fn is_coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn shown(terminal: &mut ratatui::DefaultTerminal, screen: &mut Screen, inputs: &input::Inputs) -> Result<()> {
    let mut next_look = Instant::now() + REFRESH;
    let mut is_asked = false;
    loop {
        terminal.draw(|frame| draw::draw(frame, screen)).context("cannot write to the terminal")?;
        let now = Instant::now();
        if !is_asked && next_look <= now {
            is_asked = true;
            next_look = now + REFRESH;
            inputs.ask(daemon::Question::Look(screen.inspected()))?;
        }
        let heard = match inputs.next(next_look.saturating_duration_since(now)) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        match heard {
            input::Heard::Key(key) => match keys::pressed(screen, key) {
                Wish::None => {}
                Wish::Look => next_look = Instant::now(),
                Wish::Carry(order) => inputs.ask(daemon::Question::Carry(order))?,
                Wish::End => return Ok(()),
            },
            input::Heard::Resized => {}
            input::Heard::Looked(looked) => {
                is_asked = false;
                screen.looked(Instant::now(), *looked);
            }
            input::Heard::Carried(told) => {
                screen.told = Some(told);
                next_look = Instant::now();
            }
            input::Heard::End => return Ok(()),
        }
    }
}
