//! What clients ask the daemon, and its answers.

mod account_pages;
mod block;
mod exec_scopes;
mod inspect;
mod named_account;
mod named_attempts;
mod release;
mod rules_of;
mod status;
mod trial;
mod values;
pub(crate) mod why;

use crate::control::{Answer, Request};
use crate::daemon::enforcement::Enforcement;
use crate::daemon::server::{Call, Reply};
use crate::exit::{explained, refusal};
use account_pages::AccountsAsked;
use anyhow::{Context, Result, anyhow};
use std::time::Duration;
use tokio::sync::oneshot;

/// Carries out `call`. If the daemon is to end, returns what to wait for first.
pub(super) fn answer(enforcement: &mut Enforcement, call: Call) -> Option<oneshot::Receiver<()>> {
    let (request, peer, reply) = match call {
        Call::Ask { request, peer, reply } => (request, peer, reply),
        Call::EndScope { name, reply } => {
            let ended = enforcement.end_scope(&name).map(|()| Answer::ScopeEnded);
            if let Err(e) = &ended {
                tracing::warn!("cannot end {name}: {}", explained(e));
            }
            let _ = reply.send(Reply::Answer(or_refusal(ended)));
            return None;
        }
    };
    let answer = match request {
        Request::Scopes => enforcement.scopes().map(|scopes| Answer::Scopes { scopes }),
        Request::Accounts { scope, name, suspects, limit, cursor } => {
            let asked = AccountsAsked { scope, name, suspects, limit, cursor };
            enforcement.accounts(&asked)
        }
        Request::Attempts { limit } => enforcement.waiting(limit),
        Request::Settings => Ok(Answer::Settings { settings: enforcement.settings() }),
        Request::EndExec { name } => enforcement.end_scope(&name).map(|()| Answer::ScopeEnded),
        // The server asks the process that reads the history.
        Request::History { .. } | Request::Tuning { .. } => Err(anyhow!("the history is read elsewhere")),
        Request::Status => enforcement.status().map(|status| Answer::Status(Box::new(status))),
        Request::Get { name } => enforcement.get(&name).map(|value| Answer::Value { value }),
        Request::Set { name, value, save, dry_run } => enforcement.set(&name, &value, save, dry_run),
        Request::Enforce(order) => enforcement.trial(order),
        Request::LocalFile => Ok(Answer::LocalFile { path: enforcement.local_file() }),
        Request::Saved { name } => enforcement.saved(&name),
        Request::Release { account } => enforcement.release(account.as_ref()),
        Request::Why { subject } => enforcement.why(&subject).map(|why| Answer::Why(Box::new(why))),
        Request::Inspect { subject: inspected } => {
            enforcement.inspect(&inspected).map(|found| Answer::Inspection(Box::new(found)))
        }
        Request::Block { account, for_ms } => enforcement.block(&account, Duration::from_millis(for_ms)),
        Request::Dashboard => enforcement.admit_to_dashboard(),
        Request::Events { since, follow } => {
            let past = enforcement.announcer.remembered(since);
            let not_kept = enforcement.announcer.lost(since);
            let follow = follow.then(|| enforcement.announcer.follow());
            let _ = reply.send(Reply::Events { not_kept, past, follow });
            return None;
        }
        Request::Exec { half_open, drain } => {
            let begun = peer
                .context(
                    "this command runs in another PID namespace than the daemon: run `halfopen exec` in the daemon's",
                )
                .and_then(|peer| enforcement.begin_scope(peer, half_open.as_deref(), drain.as_deref()));
            let answer = begun.map(|(name, path)| Reply::Scope {
                answer: Answer::Scope { name: name.clone(), path },
                name,
            });
            // If the client is gone, no end of a connection will end the scope.
            if let Err(Reply::Scope { name, .. }) =
                reply.send(answer.unwrap_or_else(|e| Reply::Answer(refusal(&e))))
                && let Err(e) = enforcement.end_scope(&name)
            {
                tracing::warn!("cannot end {name}: {}", explained(&e));
            }
            return None;
        }
        Request::Off => {
            let (written, until) = oneshot::channel();
            let answer = Answer::Ending { pid: std::process::id() };
            let _ = reply.send(Reply::Ending { answer, written });
            return Some(until);
        }
    };
    let _ = reply.send(Reply::Answer(or_refusal(answer)));
    None
}

fn or_refusal(answer: Result<Answer>) -> Answer {
    answer.unwrap_or_else(|e| refusal(&e))
}
