//! The values in force: reload, get, set.

use crate::config::general::{MODE, NEVER_HOLD, PERSIST};
use crate::config::{
    Accounts, Assignment, ConfigError, Key, Name, Origin, Resolved, RuleName, Value, Words, limits,
    read_name, read_said,
};
use crate::control::{Answer, SettingShown};
use crate::daemon::enforcement::{Enforcement, ExecScope, HOST};
use crate::daemon::user_search::Search;
use crate::exit::{WrongUse, explained};
use crate::name_service::finding_users;
use crate::privileged::Helper;
use anyhow::Result;
use halfopen_bpf::monotonic;
use halfopen_policy::Limits;

impl Enforcement {
    /// Reads the files again. Drops values that were set live and not saved, and logs each. A trial goes on.
    ///
    /// # Errors
    /// [`ConfigError`], or if the kernel part refuses. The previous values then stay in force.
    pub fn reload(&mut self) -> Result<()> {
        let again = self.load()?;
        let rules = self.rule_scopes();
        let mode_was = self.mode_now();
        self.put_in_force(&self.settings_on_trial(&again))?;
        for dropped in self.resolved.live() {
            let Some(name) = dropped.name() else { continue };
            let now = again.shown(name);
            let now =
                now.map_or("there is no such rule".into(), |(now, origin)| format!("now {now} ({origin})"));
            tracing::warn!("{name} = {} was set without --save and is dropped: {now}", dropped.show());
        }
        if again.general().persist != self.limiter.is_pinned() {
            tracing::warn!(
                "persist takes effect only when the daemon starts: restart it to apply the change"
            );
        }
        self.is_in_force(again);
        let mode = self.mode_now();
        if mode != mode_was {
            tracing::warn!("mode = {} (was {})", mode.word(), mode_was.word());
        }
        self.user_search = Search::from(monotonic());
        self.follow_resolvers()?;
        self.follow_listen();
        self.end_rules(&rules);
        self.tell_unmet_rules();
        tracing::info!("reloaded {}: config_hash {}", self.sources.path().display(), self.resolved.hash());
        Ok(())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// If the name is wrong.
    pub fn get(&self, name: &str) -> Result<String> {
        let name = read_name(name)?;
        if name.is(MODE) {
            return Ok(self.mode_now().word().to_owned());
        }
        if let Some(RuleName::Scope(scope)) = &name.rule
            && let Some(exec) = self.exec_scope(scope)
        {
            return Ok(limits::shown(&exec.limits, name.key));
        }
        self.resolved.shown(&name).map(|(value, _)| value).ok_or_else(|| self.no_such_rule(&name))
    }

    /// Puts a value in force, or only says what would change. `save` says whether the client is about to save it.
    ///
    /// # Errors
    /// If the name or value is wrong, or if the kernel part refuses. Nothing has changed then.
    pub fn set(&mut self, name: &str, value: &str, save: bool, dry_run: bool) -> Result<Answer> {
        // A user that a rule names may have been created since the start.
        Accounts::read_anew(&mut self.means.helper);
        let name = read_name(name)?;
        match &name.rule {
            Some(RuleName::Scope(scope)) if self.exec_scope(scope).is_some() => {
                self.set_exec_scope(scope, &name, value, dry_run)
            }
            Some(rule @ RuleName::Scope(_)) if self.resolved.rules().find(rule).is_none() => {
                Err(self.no_such_rule(&name))
            }
            _ => {
                let read = |_: &mut Helper| read_said(&name, value);
                let said = finding_users(&mut self.means.helper, read, Helper::user_number)?;
                self.set_said(&said, save, dry_run)
            }
        }
    }

    /// All values that are given.
    pub fn settings(&self) -> Vec<SettingShown> {
        SettingShown::all(&self.resolved)
    }

    fn set_said(&mut self, said: &Assignment, save: bool, dry_run: bool) -> Result<Answer> {
        if let Assignment::Value(name, Value::Flag(persist)) = said
            && name.is(PERSIST)
            && !save
            && *persist != self.limiter.is_pinned()
        {
            return Err(WrongUse(format!(
                "persist takes effect only when the daemon starts: run `halfopen set --save persist {persist}`, then \
                 restart the daemon"
            ))
            .into());
        }
        let Some(name) = said.name() else {
            return Err(WrongUse("a rule itself has no value".into()).into());
        };
        let was = match name.rule {
            None => self.shown(name.key),
            Some(_) => self.resolved.shown(name).map_or("not set".into(), |(was, _)| was),
        };
        let changed = self.resolved.with(said.clone(), Origin::Live)?;
        if let Some(when) = name.key.takes_effect
            && !save
            && !name.is(PERSIST)
            && was != said.show()
        {
            return Err(WrongUse(format!(
                "{name} takes effect only {when}: run `halfopen set --save {name} {}` first",
                said.show()
            ))
            .into());
        }
        let now = said.show();
        let answer =
            Answer::Changed { name: name.to_string(), was: was.clone(), now: now.clone(), would_have: None };
        if dry_run {
            return Ok(answer);
        }
        // Setting a mode is a decision: it ends a trial.
        let settings = if said.is(MODE) { changed.settings() } else { self.settings_on_trial(&changed) };
        let rules = self.rule_scopes();
        self.put_in_force(&settings)?;
        self.is_in_force(changed);
        self.user_search = Search::from(monotonic());
        self.follow_resolvers()?;
        self.follow_listen();
        self.end_rules(&rules);
        if said.is(NEVER_HOLD) {
            self.tell_unmet_rules();
        }
        tracing::info!("{name} = {now} (was {was})");
        Ok(answer)
    }

    /// Looks for the value in force in the files, where the client has saved it. A reload then no longer drops the
    /// value.
    ///
    /// # Errors
    /// If the name is wrong.
    pub fn saved(&mut self, name: &str) -> Result<Answer> {
        let name = read_name(name)?.plain();
        let in_force = self.resolved.live().find(|said| said.name() == Some(&name)).cloned();
        let Some(said) = in_force else { return Ok(Answer::Saved { note: None }) };
        let note = match self.load() {
            Ok(again) => match again.shown(&name) {
                Some((saved, origin)) if saved == said.show() => {
                    self.resolved = self.resolved.with(said, origin.clone())?;
                    None
                }
                Some((other, origin)) => {
                    Some(format!("{origin} overrides the saved value: after a reload, {other} applies"))
                }
                None => None,
            },
            Err(e) => Some(format!("the value is saved, but a reload would fail: {}", explained(&e))),
        };
        let is_in_force = name.is(PERSIST) && self.resolved.general().persist == self.limiter.is_pinned();
        let later = name.key.takes_effect.filter(|_| !is_in_force);
        let note = note.or_else(|| {
            later.map(|when| {
                let restart = if name.is(PERSIST) { ": restart it to apply the change" } else { "" };
                format!("{name} takes effect only {when}{restart}")
            })
        });
        Ok(Answer::Saved { note })
    }

    /// Reads the files through the privileged helper: this process may not read them itself.
    pub(in crate::daemon) fn load(&mut self) -> Result<Resolved> {
        let Self { sources, means, .. } = self;
        let read = |helper: &mut Helper| sources.load_from(helper);
        finding_users(&mut means.helper, read, Helper::user_number).map_err(anyhow::Error::from)
    }

    fn set_exec_scope(&mut self, scope: &str, name: &Name, value: &str, dry_run: bool) -> Result<Answer> {
        let (key, name) = (name.key, name.to_string());
        let value = key
            .form
            .read_text(&name, value)
            .map_err(|e| ConfigError::Given { given: "set".into(), wrong: e.into() })?;
        let Some(exec) = self.scopes.iter_mut().find(|exec| exec.name == scope) else {
            return Err(WrongUse(format!("{scope} has ended")).into());
        };
        let mut limits = exec.limits;
        let was = limits::shown(&limits, key);
        limits::set(&mut limits, key, &value);
        must_count(&limits, key, &value, &name)?;
        if !dry_run {
            self.limiter.set_scope(exec.id, &limits)?;
            exec.limits = limits;
        }
        Ok(Answer::Changed { name, was, now: key.form.show(&value), would_have: None })
    }

    fn exec_scope(&self, name: &str) -> Option<&ExecScope> {
        self.scopes.iter().find(|exec| exec.name == name)
    }

    fn no_such_rule(&self, name: &Name) -> anyhow::Error {
        let known = match &name.rule {
            Some(rule @ RuleName::Scope(_)) => {
                let execs = self.scopes.iter().map(|exec| exec.name.as_str());
                let rules = self.resolved.rules().scopes().map(|rule| rule.name().leaf());
                let names = std::iter::once(HOST).chain(execs).chain(rules).collect::<Vec<_>>().join(", ");
                return WrongUse(format!("there is no scope {:?}: the scopes are {names}", rule.leaf()))
                    .into();
            }
            Some(rule @ RuleName::Deny(deny)) => {
                let known = self.resolved.rules().known(rule);
                return WrongUse(format!("there is no deny rule {deny:?}: {known}")).into();
            }
            Some(rule) => self.resolved.rules().known(rule),
            None => String::new(),
        };
        WrongUse(format!("{name} has no value because that interface has no limit of its own: {known}"))
            .into()
    }
}

/// Refuses a value that has no effect because another setting is off: a scope of `exec` does not keep it for later.
fn must_count(limits: &Limits, key: &Key, value: &Value, name: &str) -> Result<()> {
    if matches!(value, Value::Quota(_)) || limits::get(limits, key).as_ref() == Some(value) {
        return Ok(());
    }
    let needed =
        if limits.first_contact.is_none() { "first_contacts (such as 10)" } else { "on_suspect to block" };
    Err(WrongUse(format!("{name} has no effect yet: set {needed} first")).into())
}
