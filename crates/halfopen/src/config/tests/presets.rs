//! The presets, and what is said on top of them.

use super::*;
use halfopen_bpf::{Per, Settings};
use halfopen_policy::{ConnectRate, Connections, FirstContact, PerDestination, Rate};
use std::time::Duration;

fn of_preset(preset: Preset) -> Settings {
    Host::with(&format!("preset = \"{}\"", preset.word())).load(&[]).unwrap().settings()
}

#[test]
fn a_preset_s_text_says_all_that_its_name_says() {
    for &(name, preset) in Preset::WORDS {
        assert_eq!(Preset::named(name), Some(preset));
        let as_file = Host::with(preset.text()).load(&[]).unwrap();
        assert_eq!(as_file.settings(), of_preset(preset), "{name}");
        let said: Vec<Assignment> =
            file::parse(Path::new(name), preset.text()).unwrap().into_iter().map(|(said, _)| said).collect();
        let starts_from = |base| said.contains(&Assignment::Value(Name::of(None, PRESET), Value::Word(base)));
        assert!(starts_from("none") || starts_from("adaptive"), "{name} says what it starts from");
        // A preset that changes another one begins where that one ends.
        assert!(preset_layer::base(preset).is_none_or(|base| preset_layer::base(base).is_none()), "{name}");
        assert!(!preset.about().is_empty() && preset.text().starts_with(&format!("# {name}: ")), "{name}");
    }
}

/// Or says so once and then writes the same number again.
#[test]
fn every_number_of_a_preset_has_its_reason_above_it() {
    for (name, preset) in Preset::WORDS.iter().filter(|(_, preset)| *preset != Preset::None) {
        let mut reasoned = Vec::new();
        let mut above = "";
        for line in preset.text().lines() {
            let frame = line.starts_with('[')
                || ["name", "match", "per", "preset"].iter().any(|key| line.starts_with(key));
            if line.contains(" = ") && !line.starts_with('#') && !frame {
                let has_reason = above.starts_with("# ") || reasoned.contains(&line);
                assert!(has_reason, "{name}: {line}");
                reasoned.push(line);
            }
            above = line;
        }
        assert!(reasoned.len() > if preset_layer::base(*preset).is_some() { 3 } else { 7 }, "{name}");
    }
}

#[test]
fn the_presets_numbers() {
    assert_eq!(Preset::default(), Preset::Adaptive);
    let xp_sp2 = of_preset(Preset::XpSp2);
    assert_eq!((xp_sp2.host, xp_sp2.scopes.len()), (Limits::xp_sp2(), 0));
    assert_eq!(of_preset(Preset::Adaptive), Resolved::default().settings());
    assert_eq!(of_preset(Preset::VistaHome).host, Limits { half_open: Some(2), ..Limits::xp_sp2() });
    let throttle = of_preset(Preset::VirusThrottle).host;
    let first_contact = Some(FirstContact::virus_throttle());
    let none = Limits { half_open: None, drain: None, ..Limits::xp_sp2() };
    assert_eq!(throttle, Limits { first_contact, ..none });
    assert_eq!(of_preset(Preset::None).host, Limits { queue: u32::MAX, ..none });
}

#[test]
fn hosting_is_adaptive_with_limits_on_connections() {
    let (hosting, adaptive) = (of_preset(Preset::Hosting), of_preset(Preset::Adaptive));
    let connections = Connections {
        rate: Some(ConnectRate { rate: Rate::new(50, Duration::from_secs(1)).unwrap(), burst: Some(1_000) }),
        established: Some(4_000),
        time_wait: None,
        per_destination: PerDestination { established: Some(1_000), ..PerDestination::default() },
    };
    let [account] = &hosting.scopes[..] else { panic!("it has one rule") };
    assert_eq!(account.limits, Limits { connections, ..adaptive.scopes[0].limits });
    assert_eq!((hosting.host, &account.cgroups), (adaptive.host, &adaptive.scopes[0].cgroups));
}

#[test]
fn adaptive_has_an_account_for_each_cgroup_that_the_host_s_manager_makes() {
    let settings = of_preset(Preset::Adaptive);
    let [scope] = settings.scopes.as_slice() else { panic!("{:?}", settings.scopes) };
    assert_eq!((scope.per, scope.limits.first_contact), (Per::Cgroup, Some(FirstContact::adaptive())));
    assert_eq!(scope.limits.half_open, None);
    // The cgroup of the account: cut at the pattern's depth.
    let account = |path: &str| {
        let fits = |pattern: &&String| CgroupPattern::read(pattern).unwrap().fits(path);
        let pattern = scope.cgroups.iter().find(fits).unwrap();
        let depth = pattern.matches('/').count() - usize::from(pattern == "/");
        path.split('/').skip(1).take(depth).fold(String::new(), |account, name| format!("{account}/{name}"))
    };
    for (path, expected) in [
        ("/", ""),
        ("/init.scope", "/init.scope"),
        ("/system.slice/nginx.service", "/system.slice/nginx.service"),
        ("/system.slice/nginx.service/made/by/itself", "/system.slice/nginx.service"),
        ("/user.slice/user-7.slice/user@7.service/app.slice/x.scope", "/user.slice/user-7.slice"),
        ("/system.slice/docker-4f.scope/init", "/system.slice/docker-4f.scope"),
        ("/docker/4f/made/by/itself", "/docker/4f"),
        ("/machine.slice/libpod-4f.scope/container", "/machine.slice/libpod-4f.scope"),
        ("/libpod_parent/libpod-4f/x", "/libpod_parent/libpod-4f"),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podA.slice/cri-containerd-4f.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podA.slice",
        ),
        (
            "/kubepods.slice/kubepods-podA.slice/crio-4f.scope/x",
            "/kubepods.slice/kubepods-podA.slice/crio-4f.scope",
        ),
        ("/kubepods/besteffort/podA/4f/x", "/kubepods/besteffort/podA"),
        (
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/podA.slice/4f.scope",
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/podA.slice",
        ),
        ("/lxc.payload.web/system.slice/nginx.service", "/lxc.payload.web"),
        ("/lxc/101/ns/system.slice", "/lxc/101"),
        ("/nomad.slice/share.slice/4f.task.scope/x", "/nomad.slice/share.slice/4f.task.scope"),
        ("/openrc.sshd/made", "/openrc.sshd"),
    ] {
        assert_eq!(account(path), expected, "{path}");
    }
}

#[test]
fn a_preset_s_rules_come_after_the_host_s_own_and_can_be_changed() {
    let rules = "[[scope]]\nname = \"own\"\nmatch = { user = 7 }\nhalf_open = 3\n\
                 [[scope]]\nname = \"adaptive\"\nfirst_contacts = 20\n";
    let host = Host::with(&format!("preset = \"adaptive\"\n{rules}"));
    let resolved = host.load(&[]).unwrap();
    let scopes = resolved.settings().scopes;
    assert_eq!(scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(), ["own", "adaptive"]);
    let changed = FirstContact { credit: 20, ..FirstContact::adaptive() };
    assert_eq!((scopes[1].cgroups.len(), scopes[1].limits.first_contact), (8, Some(changed)));
    let again = Host::with(&resolved.to_toml()).load(&[]).unwrap();
    assert_eq!((again.settings(), again.hash()), (resolved.settings(), resolved.hash()));
    // Of this name and with a match it begins anew in its place.
    let host = Host::with("[[scope]]\nname = \"adaptive\"\nmatch = { cgroup = \"/x\" }\n");
    let anew = host.load(&["preset=adaptive"]).unwrap().settings().scopes;
    assert_eq!((anew[0].cgroups.as_slice(), anew[0].limits.first_contact), (&["/x".to_owned()][..], None));

    let without = Host::with(rules).error();
    assert!(without.starts_with("halfopen.toml:7:18: there is no scope.adaptive to change"), "{without}");
}

#[test]
fn the_last_preset_named_is_the_one_that_the_keys_stand_on() {
    let host = Host::with("preset = \"adaptive\"\n[host]\nqueue = 7\n");
    host.conf_d("10.toml", "preset = \"vista-home\"\n");
    let mut resolved = host.load(&[]).unwrap();
    let limits = |resolved: &Resolved| {
        let settings = resolved.settings();
        (settings.host.half_open, settings.host.queue, settings.scopes.len())
    };
    assert_eq!(limits(&resolved), (Some(2), 7, 0));
    set(&mut resolved, "half_open", "30").unwrap();
    set(&mut resolved, "preset", "adaptive").unwrap();
    let (half_open, queue, scopes) = limits(&resolved);
    assert_eq!((half_open, queue), (Some(30), 7));
    assert_eq!(scopes, 1);
    let on_command_line = host.load(&["preset=virus-throttle"]).unwrap();
    assert_eq!(limits(&on_command_line), (None, 7, 0));
    assert_eq!(on_command_line.shown_of_host(PRESET).0, "virus-throttle");
}

#[test]
fn first_contacts_of_a_scope_of_exec_cost_what_they_would_without() {
    let costs = |text: &str| {
        let first = Host::with(text).load(&[]).unwrap().first_contact_in("/halfopen.exec/exec-7");
        first.map(|first| first.credit)
    };
    assert_eq!(costs(""), None);
    let adaptive = Some(FirstContact::adaptive().credit);
    assert_eq!(costs("preset = \"adaptive\""), adaptive);
    assert_eq!(costs("preset = \"virus-throttle\""), Some(1));
    let elsewhere =
        "preset = \"adaptive\"\n[[scope]]\nname = \"x\"\nmatch = { cgroup = \"/a\" }\nfirst_contacts = 3";
    assert_eq!(costs(elsewhere), adaptive);
    assert_eq!(costs(&elsewhere.replace("/a", "/halfopen*")), Some(3));
}
