//! Configurations as files on a disk.

mod connections;
mod dashboard;
mod deny;
mod presets;
mod rules;

use super::general::PRESET;
use super::limits::HALF_OPEN;
use super::*;
use halfopen_policy::{Limits, Mode, Rate};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A directory with a configuration file in it.
struct Host {
    directory: tempfile::TempDir,
}

impl Host {
    /// One whose file says this, on the preset without rules of its own unless it names another.
    fn with(text: &str) -> Self {
        let host = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(host.file(), text).unwrap();
        if !text.contains("preset = ") {
            host.conf_d("00.toml", "preset = \"xp-sp2\"\n");
        }
        host
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("halfopen.toml")
    }

    fn conf_d(&self, name: &str, text: &str) -> PathBuf {
        let path = conf_d(&self.file()).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, sets: &[&str]) -> Result<Resolved, ConfigError> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        Sources::new(Some(self.file()), &sets)?.load()
    }

    fn error(&self) -> String {
        let error = self.load(&[]).unwrap_err().to_string();
        error.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

fn set(resolved: &mut Resolved, name: &str, value: &str) -> Result<(), ConfigError> {
    *resolved = resolved.with(read_said(&read_name(name)?, value)?, Origin::Live)?;
    Ok(())
}

#[test]
fn the_sample_says_the_defaults() {
    let sample = Host::with(&super::sample()).load(&[]).unwrap();
    assert_eq!(sample.settings(), Resolved::default().settings());
    assert_eq!(sample.hash(), Resolved::default().hash());
    let said = file::parse(Path::new("sample"), &super::sample()).unwrap();
    assert_eq!(said.len(), tables::of_host().len(), "the sample shows every key");
}

#[test]
fn no_default_file_means_the_default_preset() {
    let sources = Sources { path: "/nonexistent/halfopen.toml".into(), must_exist: false, overrides: vec![] };
    let settings = sources.load().unwrap().settings();
    assert_eq!(settings, Host::with("preset = \"adaptive\"").load(&[]).unwrap().settings());
    assert_eq!(settings.mode, Mode::Enforce);
}

#[test]
fn a_named_file_must_be_there() {
    let error = Sources::new(Some("/nonexistent/x.toml".into()), &[]).unwrap().load().unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/x.toml:1:1: "), "{error}");
}

#[test]
fn later_files_override_key_by_key_and_the_command_line_all() {
    let host = Host::with("mode = \"audit\"\n[host]\nhalf_open = 3\nqueue = 5\n");
    host.conf_d("20-b.toml", "[host]\nhalf_open = 7\n");
    host.conf_d("10-a.toml", "[host]\nhalf_open = 4\nslot_life = \"2s\"\n");
    host.conf_d("30-c.toml.bak", "nonsense");
    let resolved = host.load(&["host.queue=6", "drain=2/s", "exempt=10.0.0.0/8, 192.0.2.7"]).unwrap();
    let settings = resolved.settings();
    assert_eq!(settings.mode, Mode::Audit);
    assert_eq!(settings.host.half_open, Some(7));
    assert_eq!(settings.host.slot_life, Duration::from_secs(2));
    assert_eq!(settings.host.queue, 6);
    assert_eq!(settings.host.drain, Rate::new(2, Duration::from_secs(1)));
    assert_eq!(settings.exempt, ["10.0.0.0/8".parse().unwrap(), "192.0.2.7/32".parse().unwrap()]);
    let (_, origin) = resolved.shown_of_host(HALF_OPEN);
    assert!(origin.to_string().ends_with("conf.d/20-b.toml:2:13"), "{origin}");
}

#[test]
fn what_check_prints_is_a_configuration_that_says_the_same() {
    let host = Host::with("raw_tcp = \"count\"\nexempt = [\"::/0\"]\n[host]\nhalf_open = \"unlimited\"\n");
    let resolved = host.load(&["max_wait=90s", "drain=1/4s"]).unwrap();
    let again = Host::with(&resolved.to_toml()).load(&[]).unwrap();
    assert_eq!(again.settings(), resolved.settings());
    assert_eq!(again.hash(), resolved.hash());
    assert_ne!(again.hash(), Resolved::default().hash());
}

#[test]
fn what_the_kernel_part_has_no_room_for_is_refused_at_its_place() {
    let rules = |count| format!("never_hold = [\n{}]", "{ user = 7 },\n".repeat(count));
    assert_eq!(Host::with(&rules(64)).load(&[]).unwrap().settings().never_hold.len(), 64);
    let error = Host::with(&rules(65)).error();
    assert!(error.starts_with("halfopen.toml:66:1: ") && error.contains("at most 64 rules"), "{error}");
    let error = Host::with(&rules(64).replace("[\n", "[\n\"shipped\",\n")).error();
    assert!(error.contains("at most 64 rules"), "{error}");
    for path in ["/x".repeat(13), format!("/{}", "x".repeat(59))] {
        let error = Host::with(&format!("never_hold = [{{ cgroup = \"{path}\" }}]")).error();
        assert!(error.starts_with("halfopen.toml:1:26: ") && error.contains("at most 12 names"), "{error}");
    }
}

#[test]
fn never_hold_rules_replace_the_shipped_ones_unless_they_name_them() {
    let shipped = Resolved::default().settings().never_hold;
    assert!(shipped.iter().any(|rule| rule.exe == Some("/usr/sbin/sshd".into()) && rule.user == Some(0)));
    let tables = Host::with("[[never_hold]]\ncgroup = \"/a\"\nreason = \"ours\"\n[[never_hold]]\nuser = 7\n");
    let resolved = tables.load(&[]).unwrap();
    assert_eq!(resolved.settings().never_hold.len(), 2);
    let inline = Host::with("never_hold = [{ cgroup = \"/a\", reason = \"ours\" }, { user = \"7\" }]");
    assert_eq!(inline.load(&[]).unwrap().hash(), resolved.hash());
    assert!(resolved.to_toml().contains("{ cgroup = \"/a\", reason = \"ours\" },"), "{}", resolved.to_toml());

    let both = tables.load(&["never_hold=[\"shipped\", { user = 7 }]"]).unwrap();
    let rules = both.settings().never_hold;
    assert_eq!((&rules[..shipped.len()], rules.len()), (&shipped[..], shipped.len() + 1));
    assert!(both.to_toml().contains("#   { exe = \"/usr/sbin/sshd\", reason = "), "{}", both.to_toml());
    assert_eq!(Host::with(&both.to_toml()).load(&[]).unwrap().hash(), both.hash());
    assert_eq!(tables.load(&["never_hold=[]"]).unwrap().settings().never_hold, []);
}

#[test]
fn saving_never_held_takes_the_place_of_its_tables() {
    let host = Host::with(&sample());
    let path = host.conf_d("90-local.toml", "# mine\n[[never_hold]]\nuser = 7\n\n[host]\nqueue = 7\n");
    let said = read_said(&read_name("never_hold").unwrap(), "[{ exe = '/x' }]").unwrap();
    save::prepare(&path, &said).unwrap().commit().unwrap();
    let settings = host.load(&[]).unwrap().settings();
    assert_eq!((settings.never_hold.len(), settings.host.queue), (1, 7));
    assert_eq!(settings.never_hold[0].exe, Some("/x".into()));
}

/// Each wrong line alone: the place it is reported at, and what the message must name.
#[test]
fn every_wrong_value_is_refused_at_its_place() {
    let wrong = [
        ("mode = \"enforce\nraw_tcp = 1", "1:", "TOML"),
        ("mode = enforce", "1:8:", "TOML"),
        ("mode = \"enforce\"\nmode = \"off\"", "2:1:", "duplicate key"),
        ("mode = \"on\"", "1:8:", "\"enforce\" or \"audit\" or \"off\""),
        ("mode = true", "1:8:", "\"enforce\""),
        ("preset = \"vista\"", "1:10:", "\"xp-sp2\" or \"vista-home\" or"),
        ("persist = \"no\"", "1:11:", "true or false"),
        ("raw_tcp = \"drop\"", "1:11:", "\"refuse\" or \"count\" or \"allow\""),
        ("exempt = \"10.0.0.0/8\"", "1:10:", "list of prefixes"),
        ("exempt = [\n  \"10.0.0.0/8\",\n  \"10.0.0.0/33\"]", "3:3:", "\"10.0.0.0/33\""),
        ("exempt = [10]", "1:11:", "list of prefixes"),
        ("never_hold = \"shipped\"", "1:14:", "expected a list of tables"),
        ("never_hold = [\n\"sshd\"]", "2:1:", "\"shipped\""),
        ("never_hold = [{ comm = \"sshd\" }]", "1:17:", "a program chooses its own name"),
        ("never_hold = [{ comm = \"sshd\", user = \"root\" }]", "1:17:", "a program chooses its own name"),
        (
            "never_hold = [{ exee = \"/x\" }]",
            "1:17:",
            "never_hold.exee = \"/x\": unknown key: did you mean exe?",
        ),
        ("never_hold = [{ pid = 1 }]", "1:17:", "a rule has cgroup, user, exe, reason"),
        ("never_hold = [{ exe = \"x\" }]", "1:23:", "whole path"),
        ("never_hold = [{ exe = \"/x\", user = \"any\" }]", "1:36:", "LD_PRELOAD"),
        ("never_hold = [{ user = -1 }]", "1:24:", "a user's name or number"),
        ("never_hold = [{ reason = 1, user = 1 }]", "1:26:", "expected a text"),
        ("never_hold = [{ reason = \"because\" }]", "1:15:", "at least one of cgroup, user and exe"),
        ("never_hold = [{ cgroup = \"a.service\" }]", "1:26:", "below the root"),
        ("never_hold = [{ cgroup = \"/\" }]", "1:26:", "below the root"),
        ("never_hold = [{ cgroup = \"/a/../b\" }]", "1:26:", "below the root"),
        ("never_hold = [{ cgroup = \"/a*.service\" }]", "1:26:", "without wildcards"),
        ("[[never_hold]]\nexe = \"/x\"\n[[never_hold]]\nuser = \"\"", "4:8:", "a user's name or number"),
        ("[host]\nhalf_open = 0", "2:13:", "from 1 to 4294967295, or \"unlimited\""),
        ("[host]\nhalf_open = -1", "2:13:", "-1"),
        ("[host]\nhalf_open = 18446744073709551616", "2:13:", "18446744073709551616"),
        ("[host]\nhalf_open = \"ten\"", "2:13:", "\"ten\""),
        ("[host]\nhalf_open = 1.5", "2:13:", "1.5"),
        ("[host]\nhalf_open = 1979-05-27", "2:13:", "1979-05-27"),
        ("[host]\nslot_life = 21", "2:13:", "\"21s\""),
        ("[host]\nslot_life = \"1ms\"", "2:13:", "from 100ms to 1h"),
        ("[host]\ndrain = 10", "2:9:", "\"10/s\""),
        ("[host]\ndrain = \"0/s\"", "2:9:", "\"unlimited\""),
        ("[host]\nstrict = 1", "2:10:", "true or false"),
        ("[host]\nqueue = 0", "2:9:", "from 1 to 4294967295, or \"unlimited\""),
        (
            "[host]\nfirst_contacts = 0",
            "2:18:",
            "from 1 to 10000, or so many per unit of time, such as \"20/m\", or \"off\"",
        ),
        ("[host]\nanswers_of_a_scan = \"100%\"", "2:21:", "as \"2%\", or \"off\""),
        ("[host]\nanswers_of_a_scan = 2", "2:21:", "from \"0.1%\""),
        ("[host]\nanswers_of_peers = \"off\"", "2:20:", "as \"10%\""),
        ("[host]\nanswers_of_peers = \"0.05%\"", "2:20:", "as \"10%\""),
        ("[host]\ncredit_rate = \"unlimited\"", "2:15:", "as \"2/s\""),
        ("[host]\nreward = 4", "2:1:", "set those, such as \"2%\" and \"10%\""),
        ("[host]\nrecover = \"500ms\"", "2:1:", "set credit_rate, such as \"2/s\""),
        ("[host]\nrecover_most = \"512s\"", "2:1:", "remove it"),
        ("poke = false", "1:1:", "now called wakeups"),
        ("essential = []", "1:1:", "now called never_hold"),
        ("[host]\nworking_set = 9", "2:15:", "from 0 to 8"),
        ("[host]\norder = \"newest\"", "2:9:", "\"oldest\" or \"either\""),
        ("[host]\non_suspect = \"kill\"", "2:14:", "\"notify\" or \"throttle\" or \"block\""),
        ("[host]\nblock_for = \"2m3\"", "2:13:", "from 1s to 24h"),
        ("known_for = \"1us\"", "1:13:", "from 1s to 24h"),
        ("[host]\noverflow = \"drop\"", "2:12:", "\"refuse\" or \"wait\""),
        ("[host]\nmax_wait = \"0s\"", "2:12:", "above 0"),
        ("mod = \"off\"", "1:1:", "did you mean mode?"),
        ("half_open = 3", "1:1:", "belongs below [host], [[scope]] or [[interface]]"),
        ("TcpNumConnections = 3", "1:1:", "the keys are preset, mode"),
        ("[host]\nhalfopen = 3", "2:1:", "did you mean half_open?"),
        ("[host]\nmode = \"off\"", "2:1:", "above the first table"),
        ("[hosts]\nhalf_open = 3", "1:2:", "did you mean [host]?"),
        ("host = 3", "1:8:", "[host]"),
    ];
    for (text, place, named) in wrong {
        let error = Host::with(text).error();
        assert!(error.starts_with(&format!("halfopen.toml:{place}")), "{text:?} gave {error}");
        assert!(error.contains(named), "{text:?} gave {error}");
    }
}

#[test]
fn an_unreadable_file_has_a_place_too() {
    let host = Host::with("");
    fs::write(host.file(), b"mode = \"audit\"\n# \xff\n").unwrap();
    assert!(host.error().starts_with("halfopen.toml:2:3: cannot read it"), "{}", host.error());
    fs::remove_file(host.file()).unwrap();
    fs::create_dir(host.file()).unwrap();
    assert!(host.error().starts_with("halfopen.toml:1:1: cannot read it"), "{}", host.error());
}

#[test]
fn a_wrong_file_in_conf_d_is_named() {
    let host = Host::with(&sample());
    host.conf_d("50-x.toml", "[host]\nhalf_open = 0\n");
    assert!(host.error().starts_with("conf.d/50-x.toml:2:13: "), "{}", host.error());
}

#[test]
fn names_and_their_aliases() {
    let half_open = Name::of(None, HALF_OPEN);
    assert_eq!(read_name("half_open").unwrap(), half_open);
    assert_eq!(read_name("host.half_open").unwrap(), half_open);
    assert_eq!(read_name("scope.host.half_open").unwrap(), half_open);
    assert_eq!(read_name("tcpnumconnections").unwrap(), Name { original: true, ..half_open });
    let rule = |name: RuleName, key: &str| Name::of(Some(name), tables::named(Table::Host, key).unwrap());
    let exec = rule(RuleName::Scope("exec-7".into()), "drain");
    assert_eq!(read_name("scope.exec-7.drain").unwrap(), exec);
    let dotted = rule(RuleName::Scope("a.b".into()), "block_for");
    assert_eq!(read_name("scope.a.b.block_for").unwrap(), dotted);
    let vlan = rule(RuleName::Interface("eth0.7".into()), "half_open");
    assert_eq!(read_name("interface.eth0.7.half_open").unwrap(), vlan);
    let original = read_name("interfaces\\eth0\\tcpnumconnections").unwrap();
    let eth0 = rule(RuleName::Interface("eth0".into()), "half_open");
    assert_eq!(original, Name { original: true, ..eth0 });
    assert_eq!(read_name(&original.to_string()).unwrap(), original);
    for wrong in ["Interfaces\\eth0", "Interfaces\\a b\\TcpNumConnections", "Interfaces\\\\TcpNumConnections"]
    {
        let refused = read_name(wrong).unwrap_err().to_string();
        assert!(refused.contains("as Interfaces\\eth0\\TcpNumConnections"), "{refused}");
    }
    let unknown = read_name("scope.torrent.half_opne").unwrap_err().to_string();
    assert!(unknown.contains("did you mean half_open?"), "{unknown}");
    let unknown = read_name("half_opne").unwrap_err().to_string();
    assert!(unknown.contains("did you mean half_open?"), "{unknown}");
    let unknown = read_name("xyzzy").unwrap_err().to_string();
    assert!(unknown.contains("host.half_open") && unknown.contains("TcpNumConnections"), "{unknown}");
}

#[test]
fn the_original_s_number_means_the_same_limit() {
    let mut resolved = Resolved::default();
    for (number, limit) in [("50", Some(50)), ("0x32", Some(50)), ("0xfffffe", None), ("16777214", None)] {
        set(&mut resolved, "TcpNumConnections", number).unwrap();
        assert_eq!(resolved.settings().host.half_open, limit, "{number}");
    }
    assert_eq!(assignment::in_original_numbers(&Value::Unlimited), 0xff_fffe);
    set(&mut resolved, "half_open", "16777214").unwrap();
    assert_eq!(resolved.settings().host.half_open, Some(16_777_214));
}

#[test]
fn a_wrong_set_changes_nothing() {
    let mut resolved = Resolved::default();
    let before = resolved.clone();
    let wrong = [
        ("half_open", "0"),
        ("half_open", "-3"),
        ("half_open", "18446744073709551616"),
        ("half_open", "ten"),
        ("half_open", "3\nmode = 'off'"),
        ("TcpNumConnections", "0"),
        ("TcpNumConnections", "0xffffff"),
        ("TcpNumConnections", "+5"),
        ("mode", "on"),
        ("exempt", "10.0.0.0/8,all"),
        ("never_hold", "[{ comm = 'x' }]"),
        ("never_hold", "sshd"),
        ("never_hold", "[{ exe = "),
        ("persist", "yes"),
        ("half-opened-things", "3"),
    ];
    for (name, value) in wrong {
        let error = set(&mut resolved, name, value).unwrap_err();
        assert!(error.wrong_use(), "{error}");
        assert_eq!(resolved, before, "{name} {value}");
    }
    assert!(Sources::new(None, &["half_open".into()]).unwrap_err().to_string().contains("KEY=VALUE"));
}

#[test]
fn saving_keeps_comments_other_keys_and_the_file_s_mode() {
    let host = Host::with(&sample());
    let path =
        host.conf_d("90-local.toml", "# mine\nmode = \"audit\" # for now\n\n[host]\n# why\nqueue = 7\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    for (name, value) in [("half_open", "50"), ("mode", "enforce"), ("exempt", "10.0.0.0/8")] {
        let said = read_said(&read_name(name).unwrap(), value).unwrap();
        save::prepare(&path, &said).unwrap().commit().unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "# mine\nmode = \"enforce\" # for now\nexempt = [\"10.0.0.0/8\"]\n\n[host]\n# why\nqueue = 7\nhalf_open = 50\n"
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let settings = host.load(&[]).unwrap().settings();
    assert_eq!((settings.host.half_open, settings.host.queue), (Some(50), 7));
}

#[test]
fn saving_makes_the_file_and_leaves_a_broken_one_alone() {
    let host = Host::with(&sample());
    let path = save::local_file(&host.file());
    let said = read_said(&read_name("TcpNumConnections").unwrap(), "0xfffffe").unwrap();
    drop(save::prepare(&path, &said).unwrap());
    assert_eq!(fs::read_dir(conf_d(&host.file())).unwrap().count(), 0, "not committed, not there");
    save::prepare(&path, &said).unwrap().commit().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[host]\nhalf_open = \"unlimited\"\n");

    fs::write(&path, "half_open = = 3").unwrap();
    let error = save::prepare(&path, &said).unwrap_err().to_string();
    assert!(error.contains("90-local.toml:1:13: "), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "half_open = = 3");
}
