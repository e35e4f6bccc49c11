//! `replay`: what policies would have done to recorded traffic.

use super::pictures::Pictures;
use super::replay_accounts::account;
use super::{replay_advice, replay_plot, replay_table};
use crate::cli;
use crate::config::{Preset, Resolved, Sources};
use crate::exit::FAILED;
use crate::name_service::finding_users_here;
use crate::output;
use crate::tuning::{ENOUGH_ANSWERED, ENOUGH_MINUTES};
use anyhow::{Context, Result};
use halfopen_policy::Mode;
use halfopen_replay::advice::{self, Enough};
use halfopen_replay::input::Input;
use halfopen_replay::picture;
use halfopen_replay::{Accounts, Options, Policy, Replay, Replayed};
use std::ffi::OsStr;
use std::path::PathBuf;

/// Nothing is known of the programs of a recording: only rules for every program in the root cgroup apply to them.
const CGROUP: &str = "/";

pub fn replay(args: &cli::Replay) -> Result<u8> {
    let policies = if args.policies.is_empty() {
        vec![policy(OsStr::new("adaptive"))?]
    } else {
        args.policies.iter().map(|named| policy(named)).collect::<Result<_>>()?
    };
    let pictures = Pictures::asked(&args.pictures)?;
    let first = policies.first().filter(|_| args.advise).cloned();
    let tried = first.iter().flat_map(advice::beside).collect::<Vec<_>>();
    let all = policies.into_iter().chain(tried).collect();
    let mut replay = Replay::new(all, Options { sources: args.sources.clone() });
    // What was replayed before a file that cannot be read is told all the same.
    let read = args.files.iter().try_for_each(|file| replay.read(Input::open(file)?));
    let mut replayed = replay.finish();
    if let Some(policy) = &first {
        let lasted_s = 60 * ENOUGH_MINUTES;
        advice::advise(&mut replayed, policy, Enough { answered: ENOUGH_ANSWERED, lasted_s });
    }
    pictures.write(|format| picture::waits(&replayed, format))?;
    if args.json {
        output::line(&serde_json::to_string(&replayed)?)?;
    } else if !replayed.inputs.is_empty() {
        output::line(&replay_table::text(&replayed))?;
        if args.plot {
            output::line(&replay_plot::text(&replayed))?;
        }
        if let Some(advice) = &replayed.advice {
            output::line(&replay_advice::text(advice))?;
        }
    }
    read?;
    Ok(if holds(args, &replayed) { 0 } else { FAILED })
}

/// Says which conditions do not hold. Returns whether all do.
fn holds(args: &cli::Replay, replayed: &Replayed) -> bool {
    let mut holds = true;
    for assertion in &args.assertions {
        for policy in &replayed.policies {
            if let Err(value) = assertion.check(policy) {
                holds = false;
                output::error_line(&format!(
                    "halfopen: {assertion} does not hold: with {} it is {value}",
                    policy.policy
                ));
            }
        }
    }
    holds
}

fn policy(named: &OsStr) -> Result<Policy> {
    let resolved = if let Some(preset) = named.to_str().and_then(Preset::named) {
        Resolved::of_preset(preset)
    } else {
        let sources = Sources::new(Some(PathBuf::from(named)), &[])?;
        finding_users_here(|| sources.load()).with_context(|| {
            format!("--policy {}: neither a preset nor a file that can be used", named.display())
        })?
    };
    let settings = resolved.settings();
    let is_off = settings.mode == Mode::Off;
    Ok(Policy {
        name: named.display().to_string(),
        host: (!is_off).then_some(settings.host),
        own: resolved.rules().limits_in(CGROUP, &settings.host),
        accounts: Some(Accounts::new(move |program| account(&settings.scopes, program))),
        exempt: settings.exempt.clone(),
        known_for: settings.known_for,
    })
}
