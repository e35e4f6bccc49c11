//! The values that result, and the origin of each.

use super::assignment::{Assignment, in_original_numbers};
use super::check::check;
use super::container_sources::{CONTAINERS, ContainerSources};
use super::containers::Containers;
use super::dashboard::{DASHBOARD, Dashboard, LISTEN};
use super::error::{ConfigError, Wrong};
use super::events::{EVENTS, EventsFile};
use super::general::{GENERAL, General, NEVER_HOLD, PRESET};
use super::history::{HISTORY, History};
use super::key::{Field, Key, Table};
use super::limits::{ANSWERS_OF_A_SCAN, ANSWERS_OF_PEERS, LIMITS, open, put_all};
use super::metrics::{METRICS, Metrics};
use super::name::{Name, RuleName};
use super::never_hold::NeverHoldList;
use super::otlp::{OTLP, Otlp};
use super::place::Origin;
use super::preset::Preset;
use super::preset_layer::layer;
use super::rules::{Rule, Rules};
use super::tables;
use super::value::{Typed, Value};
use super::values::{Values, line};
use halfopen_bpf::Settings;
use halfopen_policy::{FirstContact, Limits};

/// Every key and rule with its value and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// All assignments in their order. For a key that `set` assigned again, only the last one.
    said: Vec<(Assignment, Origin)>,
    values: Values,
    /// What [`GENERAL`] and [`LIMITS`] say of them: the daemon asks at each wakeup.
    general: General,
    host: Limits,
    rules: Rules,
}

impl Default for Resolved {
    /// The default preset.
    fn default() -> Self {
        Self::of_preset(Preset::default())
    }
}

impl Resolved {
    /// The preset alone.
    #[must_use]
    pub fn of_preset(preset: Preset) -> Self {
        let mut resolved = Self {
            said: Vec::new(),
            values: Values::default(),
            general: General::default(),
            host: open(),
            rules: Rules::default(),
        };
        resolved.begin_with(GENERAL, &General::default());
        resolved.begin_with(LIMITS, &open());
        resolved.begin_with(METRICS, &Metrics::default());
        resolved.begin_with(HISTORY, &History::default());
        resolved.begin_with(EVENTS, &EventsFile::default());
        resolved.begin_with(OTLP, &Otlp::default());
        resolved.begin_with(DASHBOARD, &Dashboard::default());
        resolved.begin_with(CONTAINERS, &ContainerSources::default());
        for said in layer(preset) {
            // A preset's limits follow their rules, as its tests show, so this cannot fail.
            let _ = resolved.take(said, &Origin::Preset);
        }
        // Its text names the preset `none`, which it starts from. The name in force is its own.
        resolved.values.put(PRESET, preset.value(), Origin::Preset);
        resolved.settle();
        resolved
    }

    /// Has the values in the form in which they are used.
    fn settle(&mut self) {
        self.values.apply(GENERAL, &mut self.general);
        let mut host = open();
        put_all(&mut host, |key| self.value(key));
        self.host = host;
    }

    fn begin_with<T>(&mut self, fields: &'static [Field<T>], from: &T) {
        for field in fields {
            self.values.put(&field.key, (field.place.get)(from), Origin::Preset);
        }
    }

    /// Applies all assignments, in their order, on top of the preset that is named last.
    ///
    /// # Errors
    /// The first mistake.
    pub fn of(said: Vec<(Assignment, Origin)>) -> Result<Self, ConfigError> {
        let presets = said.iter().rev().find_map(|(said, _)| match said {
            Assignment::Value(name, value) if name.is(PRESET) => Preset::of(value),
            _ => None,
        });
        let mut resolved = Self::of_preset(presets.unwrap_or_default());
        for (said, origin) in &said {
            resolved.take(said, origin).map_err(|wrong| error(wrong, origin, Some(said)))?;
        }
        resolved.said = said;
        resolved.settle();
        let host = resolved.host();
        if host.first_contact.is_some_and(|first| !first.is_a_test()) {
            let latest = [ANSWERS_OF_A_SCAN, ANSWERS_OF_PEERS].map(|key| resolved.values.get(key));
            let origins = latest.into_iter().flatten().map(|(_, origin)| origin);
            let origin = origins.max_by_key(|origin| **origin != Origin::Preset).unwrap_or(&Origin::Live);
            return Err(error(Wrong::NoTest("host".into()), origin, None));
        }
        if let Some(lacks) = resolved.dashboard().lacks() {
            let origin = resolved.values.get(LISTEN).map_or(&Origin::Live, |(_, origin)| origin);
            return Err(error(Wrong::NoTls(lacks), origin, None));
        }
        check(&resolved.rules, &host).map_err(|(wrong, origin)| error(wrong, &origin, None))?;
        Ok(resolved)
    }

    /// The same with one more assignment at the end.
    ///
    /// # Errors
    /// If that assignment is a mistake.
    pub fn with(&self, said: Assignment, origin: Origin) -> Result<Self, ConfigError> {
        let mut all = self.said.clone();
        all.retain(|(earlier, _)| said.name().is_none() || earlier.name() != said.name());
        all.push((said, origin));
        Self::of(all)
    }

    /// The containers that rules name.
    #[must_use]
    pub fn containers(&self) -> Vec<Containers> {
        let whom = self.rules.scopes().filter_map(Rule::who);
        let all = whom.flat_map(|who| std::iter::once(who).chain(who.not.as_deref()));
        all.map(|who| who.containers.clone()).filter(|containers| !containers.is_none()).collect()
    }

    /// The same with the cgroups that containers have now.
    ///
    /// # Errors
    /// If there is no room for them.
    pub fn with_containers_of_now(&self) -> Result<Self, ConfigError> {
        let mut said = self.said.clone();
        for (said, _) in &mut said {
            if let Assignment::Rule(_, making) = said {
                for (_, value) in making {
                    if let Value::Match(who) = value {
                        *who = who.of_now();
                    }
                }
            }
        }
        Self::of(said)
    }

    fn take(&mut self, said: &Assignment, origin: &Origin) -> Result<(), Wrong> {
        match said {
            Assignment::Rule(rule, making) => self.rules.put(rule, making, origin),
            Assignment::Value(Name { rule: Some(rule), key, .. }, value) => {
                self.rules.put_value(rule, key, value.clone(), origin)?;
            }
            Assignment::Value(name, value) => self.values.put(name.key, value.clone(), origin.clone()),
        }
        Ok(())
    }

    /// The value of a key of the host.
    #[must_use]
    pub fn value(&self, key: &Key) -> Option<&Value> {
        self.values.get(key).map(|(value, _)| value)
    }

    /// The value of `name` as `get` prints it, and its origin; `None` for a rule that does not exist.
    #[must_use]
    pub fn shown(&self, name: &Name) -> Option<(String, &Origin)> {
        let (value, origin) = match &name.rule {
            None => self.values.get(name.key).map(|(value, origin)| (value.clone(), origin))?,
            Some(rule) => self.rules.get(self.rules.find(rule)?, name.key, &self.host()),
        };
        let shown =
            if name.original { in_original_numbers(&value).to_string() } else { name.key.form.show(&value) };
        Some((shown, origin))
    }

    /// The value of a key of the host as `get` prints it, and its origin.
    #[must_use]
    pub fn shown_of_host(&self, key: &'static Key) -> (String, &Origin) {
        self.shown(&Name::of(None, key)).unwrap_or((String::new(), &Origin::Preset))
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The assignments that `set` made while the daemon ran and that are not saved.
    pub fn live(&self) -> impl Iterator<Item = &Assignment> {
        self.said.iter().filter(|(_, origin)| *origin == Origin::Live).map(|(said, _)| said)
    }

    /// The settings for the kernel part.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let general = self.general();
        let mut settings = Settings {
            mode: general.mode,
            enforce_until: None,
            raw_tcp: general.raw_tcp,
            forwarded: general.forwarded_tcp,
            wakeups: general.wakeups,
            exempt: general.exempt.clone(),
            never_hold: general.never_hold.for_kernel(),
            host: self.host(),
            scopes: Vec::new(),
            interfaces: Vec::new(),
            deny: Vec::new(),
            records: general.records,
            known_for: general.known_for,
            names: general.names,
            names_for: general.names_for,
        };
        self.rules.apply(&mut settings);
        settings
    }

    /// The values of the keys above the first table.
    #[must_use]
    pub fn general(&self) -> &General {
        &self.general
    }

    /// How metrics are offered.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        self.values.apply(METRICS, &mut metrics);
        metrics
    }

    /// What is kept of the past, and for how long.
    #[must_use]
    pub fn history(&self) -> History {
        let mut history = History::default();
        self.values.apply(HISTORY, &mut history);
        history
    }

    /// The file of events for log shippers.
    #[must_use]
    pub fn events_file(&self) -> EventsFile {
        let mut events = EventsFile::default();
        self.values.apply(EVENTS, &mut events);
        events
    }

    /// Where events are sent to.
    #[must_use]
    pub fn otlp(&self) -> Otlp {
        let mut otlp = Otlp::default();
        self.values.apply(OTLP, &mut otlp);
        otlp
    }

    /// Where the dashboard is.
    #[must_use]
    pub fn dashboard(&self) -> Dashboard {
        let mut dashboard = Dashboard::default();
        self.values.apply(DASHBOARD, &mut dashboard);
        dashboard
    }

    /// Where the names of containers and pods are found.
    #[must_use]
    pub fn container_sources(&self) -> ContainerSources {
        let mut sources = ContainerSources::default();
        self.values.apply(CONTAINERS, &mut sources);
        sources
    }

    /// The limits of the host.
    #[must_use]
    pub fn host(&self) -> Limits {
        self.host
    }

    /// What first contacts cost a program in the cgroup at `path` that has no scope of `exec`.
    #[must_use]
    pub fn first_contact_in(&self, path: &str) -> Option<FirstContact> {
        let host = self.host();
        host.first_contact.or_else(|| self.rules.limits_in(path, &host)?.first_contact)
    }

    /// Why rules of `never_hold` match nobody; see [`NeverHoldList::unmet`].
    #[must_use]
    pub fn unmet_rules(&self) -> Vec<String> {
        self.never_hold().map_or_else(Vec::new, NeverHoldList::unmet)
    }

    /// Each value that is given, with its name, as `get` prints it, and its origin.
    pub fn all_said(&self) -> impl Iterator<Item = (String, String, String)> {
        let show = |rule: Option<&RuleName>, (key, value, origin): (&'static Key, &Value, &Origin)| {
            (Name::of(rule.cloned(), key).to_string(), key.form.show(value), origin.to_string())
        };
        let host = self.values.of(tables::of_host()).map(move |given| show(None, given));
        host.chain(self.rules.all_said().map(move |(rule, given)| show(Some(rule), given)))
    }

    /// The value of a key of the host, and its origin.
    pub(super) fn said(&self, key: &Key) -> Option<&(Value, Origin)> {
        self.values.get(key)
    }

    pub(super) fn never_hold(&self) -> Option<&NeverHoldList> {
        if let Some((Value::NeverHold(list), _)) = self.values.get(NEVER_HOLD) { Some(list) } else { None }
    }

    /// Why rules of `[[scope]]` match nobody.
    #[must_use]
    pub fn unmet_scopes(&self) -> Vec<String> {
        self.rules.unmet().collect()
    }

    /// A hash over all values: 16 hex digits, equal for equal values on every machine.
    #[must_use]
    pub fn hash(&self) -> String {
        // FNV-1a: the standard library's hashers may change between its versions.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let keys = self.values.of(tables::of_host()).map(|(key, value, _)| {
            // Written out, so that it does not depend on the version's list.
            let value =
                if let Value::NeverHold(list) = value { list.in_full() } else { key.form.toml(value) };
            format!("{} = {value}\n", Name::of(None, key))
        });
        for line in keys.chain(self.rules.in_full(&self.host())) {
            for byte in line.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }

    /// A configuration file with these values, each line with its origin.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for table in Table::OF_HOST {
            if table != Table::Top {
                text.extend(["\n", table.written(), "\n"]);
            }
            for (key, value, origin) in self.values.of(tables::keys(table)) {
                let mut lines = match value {
                    Value::NeverHold(list) => list.lines(),
                    _ => vec![key.form.toml(value).to_string()],
                }
                .into_iter();
                line(&mut text, &format!("{} = {}", key.name, lines.next().unwrap_or_default()), origin);
                lines.for_each(|line| text.extend([line.as_str(), "\n"]));
            }
        }
        text + &self.rules.to_toml(&self.host())
    }
}

fn error(wrong: Wrong, origin: &Origin, said: Option<&Assignment>) -> ConfigError {
    match origin {
        Origin::File(place) => ConfigError::InFile { place: place.clone(), wrong },
        Origin::Preset | Origin::CommandLine | Origin::Live => {
            let said = said.and_then(|said| Some(format!(" {}={}", said.name()?, said.show())));
            ConfigError::Given { given: format!("{origin}{}", said.unwrap_or_default()), wrong }
        }
    }
}
