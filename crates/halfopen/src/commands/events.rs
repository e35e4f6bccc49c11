//! `events`: the daemon's, and before those the history's.

use super::unanswered::{asked, code_beside, or_unwatched};
use crate::control::{Answer, ClientError, Request};
use crate::events::kept::Past;
use crate::events::text::plain;
use crate::events::{Event, KeptEvents};
use crate::history::Reader;
use crate::output;
use crate::runtime_dir::StateDir;
use crate::utc_time::UtcTime;
use anyhow::Result;

/// Which events are printed, and how.
struct Printer<'a> {
    since: Option<UtcTime>,
    account: Option<&'a str>,
    json: bool,
    /// What the history has, the oldest first, until the first event is known that comes from elsewhere.
    earlier: Option<Vec<Event>>,
}

impl<'a> Printer<'a> {
    fn new(since: Option<UtcTime>, account: Option<&'a str>, json: bool) -> Self {
        // Without either, the latest ones are asked for, which the daemon has.
        let asks_history = since.is_some() || account.is_some();
        let read =
            || Reader::open(&StateDir::of_this_host()).ok()?.events(since.unwrap_or(UtcTime::EPOCH)).ok();
        Self { since, account, json, earlier: asks_history.then(read).flatten() }
    }

    fn print(&mut self, event: &Event) -> Result<()> {
        self.print_earlier(Some(event.time))?;
        self.print_one(event)
    }

    /// Prints what the history has from before that time, if that has not been done.
    fn print_earlier(&mut self, before: Option<UtcTime>) -> Result<()> {
        let earlier = self.earlier.take().unwrap_or_default();
        let is_earlier = |event: &&Event| before.is_none_or(|before| event.time < before);
        earlier.iter().filter(is_earlier).try_for_each(|event| self.print_one(event))
    }

    fn print_one(&self, event: &Event) -> Result<()> {
        if self.account.is_some_and(|account| !is_of(event, account)) {
            return Ok(());
        }
        if self.json {
            return output::line(&serde_json::to_string(event)?);
        }
        // A daemon that somebody has taken over must not write to root's terminal what it likes.
        output::line(&plain(&format!("{} {event}", event.time)))
    }

    fn print_past(&mut self, past: &Past) -> Result<()> {
        let since = self.since;
        let young = |event: &&Event| since.is_none_or(|since| event.time >= since);
        past.events.iter().filter(young).try_for_each(|event| self.print(event))?;
        self.print_earlier(None)?;
        match past.lost_since(since) {
            0 => {}
            events => tell_not_kept(events),
        }
        Ok(())
    }
}

/// Whether the event is of this account or scope, or names a program of it. A cgroup alone stands for the account of any
/// scope.
fn is_of(event: &Event, account: &str) -> bool {
    let accounts = event.programs.iter().filter_map(|program| program.account.as_deref());
    let mut all = accounts.chain([event.scope.as_str()]);
    all.any(|name| name == account || name.ends_with(&format!("[{account}]")))
}

pub fn events(follow: bool, json: bool, since: Option<UtcTime>, account: Option<&str>) -> Result<u8> {
    let mut printer = Printer::new(since, account, json);
    let request = Request::Events { since, follow };
    let patience = (!follow).then_some(crate::control::client::PATIENCE);
    let asked = asked(&request, patience).map(|client| (Some(client), None));
    let (client, unwatched) = match or_unwatched(asked, |limit| Ok((None, Some(limit.told())))) {
        Err(none) if !follow && matches!(none.downcast_ref(), Some(ClientError::NoDaemon(_))) => {
            return kept_events(printer, none);
        }
        found => found?,
    };
    let Some(mut client) = client else {
        // First, so that nobody takes what follows for all that has happened.
        let code = code_beside(unwatched.as_ref());
        output::error_line(
            "halfopen: these are the events until then; the next daemon reports what has waited since",
        );
        if let Ok(past) = KeptEvents::read(&StateDir::of_this_host()) {
            printer.print_past(&past)?;
        }
        return Ok(code);
    };
    while let Some(answer) = client.next_answer()? {
        match answer {
            Answer::Event(event) => printer.print(&event)?,
            Answer::NotKept(events) => tell_not_kept(events),
            Answer::Missed(missed) => {
                output::error_line(&format!(
                    "halfopen: {missed} events are missing: this command read too slowly"
                ));
            }
            other => return Err(client.unexpected(&other).into()),
        }
    }
    printer.print_earlier(None)?;
    Ok(0)
}

/// The events that the last daemon has left. Without them, `none` is the answer.
fn kept_events(mut printer: Printer<'_>, none: anyhow::Error) -> Result<u8> {
    let directory = StateDir::of_this_host();
    let Ok(past) = KeptEvents::read(&directory) else { return Err(none) };
    output::error_line(&format!(
        "halfopen: no daemon is running here; these are the events that the last one left in {}",
        directory.path().display()
    ));
    printer.print_past(&past)?;
    Ok(0)
}

fn tell_not_kept(events: u64) {
    output::error_line(&format!(
        "halfopen: {events} earlier events are missing: a disk was full, or a daemon was killed, as they were written; \
         the system log has them"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::tests::scanned;

    #[test]
    fn an_account_s_events_are_those_that_name_it_or_a_program_of_it() {
        let mut event = scanned();
        event.programs[0].account = Some("adaptive[/a]".into());
        for (account, expected) in
            [("host", true), ("adaptive[/a]", true), ("/a", true), ("adaptive", false), ("/", false)]
        {
            assert_eq!(is_of(&event, account), expected, "{account}");
        }
    }
}
