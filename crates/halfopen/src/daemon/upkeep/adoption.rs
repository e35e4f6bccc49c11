//! Takes over what an earlier daemon left: keeps its scopes, and logs what happened while no daemon watched.

use crate::config::{Table, Words, limits, tables};
use crate::daemon::enforcement::{Enforcement, ExecScope};
use halfopen_bpf::{Adopted, monotonic, path_of_id};
use std::fs::File;
use std::io::{Read, Seek};

impl Enforcement {
    pub(in crate::daemon) fn take_over(&mut self, adopted: &Adopted) {
        tracing::info!(
            "took over the limit that halfopen {} had pinned; no daemon has watched it for {:.1} s",
            adopted.version,
            adopted.unwatched.as_secs_f64()
        );
        self.announcer.resume_episodes(monotonic(), self.limiter.counting_since());
        self.keep_paths_of_events();
        match self.limiter.denied() {
            Ok(counts) => self.announcer.denials.known(&counts),
            Err(e) => tracing::error!("{}", e.in_full()),
        }
        if let Some(until) = adopted.enforce_until {
            self.take_over_trial(until);
        }
        let mode = self.mode_now();
        if mode != adopted.mode {
            tracing::warn!("mode = {} (was {})", mode.word(), adopted.mode.word());
        }
        let now = self.host_limits();
        for key in tables::keys(Table::Host) {
            let (was, now) = (limits::shown(&adopted.host, key), limits::shown(&now, key));
            if was != now {
                tracing::warn!("host.{} was {was} and is now {now}, as configured", key.name);
            }
        }
        let root = self.limiter.hierarchy();
        for scope in &adopted.scopes {
            let path =
                path_of_id(scope.cgroup_id).map(|path| root.join(path.strip_prefix("/").unwrap_or(&path)));
            let name = path
                .as_ref()
                .and_then(|path| path.file_name())
                .map(|name| name.to_string_lossy().into_owned());
            match path.zip(name) {
                Some((path, name)) => {
                    // If the cgroup is gone by now, the first look finds that out.
                    let adopted = File::open(path.join("cgroup.events")).ok();
                    let (id, limits) = (scope.id, scope.limits);
                    self.scopes.push(ExecScope { id, name, limits, adopted });
                }
                None => {
                    if let Err(e) = self.limiter.remove_scope(scope.id) {
                        tracing::warn!("cannot end a scope whose cgroup is gone: {}", e.in_full());
                    }
                }
            }
        }
        if let Err(e) = self.know_stopped_datagrams() {
            tracing::error!("{}", e.in_full());
        }
        self.take_backlog(adopted.lost_events);
    }

    /// Reads the events that the kernel part recorded while no daemon read them.
    fn take_backlog(&mut self, lost: u64) {
        match self.take_held() {
            Ok(0) if lost == 0 => {}
            Ok(waited) => tracing::info!("attempts that began to wait meanwhile: {}", waited + lost),
            Err(e) => tracing::error!("cannot read held attempts: {}", e.in_full()),
        }
        if lost > 0 {
            tracing::warn!("{lost} of them are missing from the events: the ring buffer was full");
        }
    }

    /// Ends scopes of an earlier daemon that have no process left.
    pub(in crate::daemon) fn end_adopted_scopes(&mut self) {
        let ended: Vec<String> = self
            .scopes
            .iter()
            .filter(|scope| scope.adopted.as_ref().is_some_and(is_empty))
            .map(|scope| scope.name.clone())
            .collect();
        for name in ended {
            if let Err(e) = self.end_scope(&name) {
                tracing::warn!("cannot end {name}: {e:#}");
            }
        }
    }
}

fn is_empty(mut events: &File) -> bool {
    let mut text = String::new();
    let read = events.rewind().and_then(|()| events.read_to_string(&mut text));
    // A cgroup that is gone (ENODEV) counts as empty.
    read.is_err() || text.contains("populated 0")
}
