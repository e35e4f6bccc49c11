//! The values in force: read anew from the files, asked for, set.

use super::{Enforcement, HOST};
use crate::config::{
    Accounts, ConfigError, Effective, Key, Limit, LimitKey, Name, Origin, Setting, read_name, read_setting,
    setting,
};
use crate::control::Answer;
use crate::exit::{WrongUse, explained};
use anyhow::Result;
use halfopen_policy::Limits;

impl Enforcement {
    /// Re-reads the files. Values set live and not saved are dropped, and the log says which. A trial goes on.
    ///
    /// # Errors
    /// [`ConfigError`], or where the kernel part refuses; what was in force still is.
    pub fn reload(&mut self) -> Result<()> {
        let again = self.load()?;
        self.limiter.apply(&self.settings_on_trial(&again))?;
        for dropped in self.effective.live() {
            if let Some((now, origin)) = again.get(dropped.key()) {
                tracing::warn!(
                    "{} = {} was set without --save and is dropped: now {} ({origin})",
                    dropped.key(),
                    dropped.show(),
                    now.show()
                );
            }
        }
        if again.persist() != self.limiter.is_pinned() {
            tracing::warn!("persist is read when the daemon starts: the limit keeps to what it was");
        }
        self.effective = again;
        self.tell_unmet_rules();
        tracing::info!(
            "{}: read again, config_hash {}",
            self.sources.path().display(),
            self.effective.hash()
        );
        Ok(())
    }

    /// The value that `name` has.
    ///
    /// # Errors
    /// For a wrong name.
    pub fn get(&self, name: &str) -> Result<String> {
        Ok(match read_name(name)? {
            Name::Key(key) => self.shown(key),
            Name::TcpNumConnections => setting::tcp_num_connections(self.host_limits().half_open).to_string(),
            Name::Scope(scope, key) => Limit::of(&self.limits_of(&scope)?, key).show(),
        })
    }

    /// Puts a value in force, which the client is about to `save` or not.
    ///
    /// # Errors
    /// For a wrong name or value, and where the kernel part refuses; nothing has changed.
    pub fn set(&mut self, name: &str, value: &str, save: bool) -> Result<Answer> {
        // A user that a rule names may have been made since the start.
        Accounts::read_anew(&mut self.means.hand);
        match read_name(name)? {
            Name::Scope(scope, key) => self.set_scope(&scope, key, value),
            key => self.set_key(&read_setting(&key, value)?, save),
        }
    }

    fn set_key(&mut self, setting: &Setting, save: bool) -> Result<Answer> {
        if !save && self.changes_persist(setting) {
            return Err(WrongUse(format!(
                "persist is read when the daemon starts: `halfopen set --save persist {}`, then start it anew",
                setting.show()
            ))
            .into());
        }
        let (key, was) = (setting.key(), self.shown(setting.key()));
        let mut changed = self.effective.clone();
        changed.put(setting.clone(), Origin::Live);
        // Who sets a mode has made up his mind: a trial of another one is over.
        let settings = if key == Key::Mode { changed.settings() } else { self.settings_on_trial(&changed) };
        self.limiter.apply(&settings)?;
        self.effective = changed;
        if key == Key::Essential {
            self.tell_unmet_rules();
        }
        tracing::info!("{key} = {} (was {was})", setting.show());
        Ok(Answer::Changed { name: key.to_string(), was, now: setting.show() })
    }

    /// Looks in the files for the value in force, which the client has written there: it is no longer one that a reload
    /// drops.
    ///
    /// # Errors
    /// For a wrong name.
    pub fn saved(&mut self, name: &str) -> Result<Answer> {
        let key = match read_name(name)? {
            Name::Key(key) => key,
            Name::TcpNumConnections => Key::Host(LimitKey::HalfOpen),
            Name::Scope(..) => return Ok(Answer::Saved { note: None }),
        };
        let in_force = self.effective.get(key).map(|(setting, _)| setting.clone());
        let Some(setting) = in_force else { return Ok(Answer::Saved { note: None }) };
        let note = match self.load() {
            Ok(again) => match again.get(setting.key()) {
                Some((saved, origin)) if *saved == setting => {
                    self.effective.put(setting, origin.clone());
                    None
                }
                Some((other, origin)) => {
                    Some(format!("{origin} overrides it: {} holds after a reload", other.show()))
                }
                None => None,
            },
            Err(e) => Some(format!("the files cannot be read again as they are: {}", explained(&e))),
        };
        let in_vain = key == Key::Persist && self.effective.persist() != self.limiter.is_pinned();
        let kept_to = || "persist is read when the daemon starts: this one keeps to what it was".to_owned();
        let note = if in_vain { Some(kept_to()) } else { note };
        Ok(Answer::Saved { note })
    }

    /// Reads the files as they are, by the hand: this process may not.
    pub(super) fn load(&mut self) -> Result<Effective> {
        self.sources.load_from(&mut self.means.hand).map_err(anyhow::Error::from)
    }

    fn changes_persist(&self, setting: &Setting) -> bool {
        matches!(setting, Setting::Persist(persist) if *persist != self.limiter.is_pinned())
    }

    fn set_scope(&mut self, scope: &str, key: LimitKey, value: &str) -> Result<Answer> {
        let name = format!("scope.{scope}.{}", key.name());
        let limit = Limit::from_text(key, &name, value)
            .map_err(|e| ConfigError::Given { given: "set".into(), wrong: e.into() })?;
        let mut limits = self.limits_of(scope)?;
        let was = Limit::of(&limits, key).show();
        limit.apply(&mut limits);
        if scope == HOST {
            return self.set_key(&Setting::Host(limit), false);
        }
        if let Some(exec) = self.scopes.iter_mut().find(|exec| exec.name == scope) {
            self.limiter.set_scope(exec.id, &limits)?;
            exec.limits = limits;
        }
        Ok(Answer::Changed { name, was, now: limit.show() })
    }

    fn limits_of(&self, scope: &str) -> Result<Limits> {
        if scope == HOST {
            return Ok(self.host_limits());
        }
        let exec = self.scopes.iter().find(|exec| exec.name == scope);
        exec.map(|exec| exec.limits).ok_or_else(|| {
            let names = self.scopes.iter().map(|exec| exec.name.as_str());
            let names = std::iter::once(HOST).chain(names).collect::<Vec<_>>().join(", ");
            WrongUse(format!("there is no scope {scope:?}: the scopes are {names}")).into()
        })
    }
}
