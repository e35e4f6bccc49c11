//! `[[scope]]` and `[[interface]]`.

use super::*;
use halfopen_bpf::{InterfaceRule, LeftOut, Per, ScopeRule};
use halfopen_policy::{FirstContact, OnSuspect, Overflow};

/// Limits that limit nothing, as far as a rule need not say.
fn open() -> Limits {
    Limits { half_open: None, drain: None, queue: u32::MAX, max_wait: None, ..Limits::xp_sp2() }
}

const TORRENT: &str = "[[scope]]\nname = \"torrent\"\nmatch = { cgroup = \"/system.slice/transmission*.service\" }\n\
                       per = \"cgroup\"\nhalf_open = 4\ndrain = \"2/s\"\n";

fn scope(name: &str, condition: &str, limits: &str) -> String {
    format!("[[scope]]\nname = \"{name}\"\nmatch = {{ {condition} }}\n{limits}\n")
}

fn names(resolved: &Resolved) -> Vec<String> {
    resolved.settings().scopes.into_iter().map(|scope| scope.name).collect()
}

#[test]
fn the_contract_s_rules_are_taken_as_they_stand() {
    let host = Host::with(&format!("{TORRENT}[[interface]]\nname = \"eth0\"\nhalf_open = 50\n"));
    let settings = host.load(&[]).unwrap().settings();
    let torrent = ScopeRule {
        name: "torrent".into(),
        cgroups: vec!["/system.slice/transmission*.service".into()],
        users: Vec::new(),
        exes: Vec::new(),
        comms: Vec::new(),
        not: LeftOut::default(),
        per: Per::Cgroup,
        limits: Limits { half_open: Some(4), drain: Rate::new(2, Duration::from_secs(1)), ..open() },
    };
    assert_eq!(settings.scopes, [torrent]);
    let eth0 = InterfaceRule { name: "eth0".into(), limits: Limits { half_open: Some(50), ..open() } };
    assert_eq!(settings.interfaces, [eth0]);
    assert_eq!(settings.host, Limits::xp_sp2());
}

#[test]
fn what_no_rule_says_is_no_limit_or_how_the_host_does_it() {
    let rule = scope("u", "user = 7, exe = \"/x\"", "first_contacts = 3\non_suspect = \"block\"");
    let host =
        Host::with(&format!("[host]\nslot_life = \"2s\"\noverflow = \"wait\"\nstrict = false\n{rule}"));
    let scopes = host.load(&[]).unwrap().settings().scopes;
    let on_suspect = OnSuspect::Block(Duration::from_mins(10));
    let limits = Limits {
        slot_life: Duration::from_secs(2),
        overflow: Overflow::Wait,
        strict: false,
        first_contact: Some(FirstContact { credit: 3, on_suspect, ..FirstContact::adaptive() }),
        ..open()
    };
    assert_eq!((scopes[0].limits, scopes[0].per, scopes[0].users.as_slice()), (limits, Per::Rule, &[7][..]));
}

#[test]
fn later_files_add_rules_replace_them_in_their_place_and_change_single_limits() {
    let host = Host::with(&[scope("a", "user = 1", "half_open = 1"), TORRENT.to_owned()].concat());
    host.conf_d("10.toml", &scope("b", "user = 2", "half_open = 2"));
    host.conf_d("20.toml", &scope("a", "user = 3", "queue = 3"));
    host.conf_d("30.toml", "[[scope]]\nname = \"torrent\"\nhalf_open = 5\n");
    let resolved = host.load(&["scope.b.drain=1/s", "interface.eth1.half_open=7"]).unwrap();
    assert_eq!(names(&resolved), ["a", "torrent", "b"]);
    let settings = resolved.settings();
    assert_eq!((settings.scopes[0].users.as_slice(), settings.scopes[0].limits.half_open), (&[3][..], None));
    assert_eq!(settings.scopes[0].limits.queue, 3);
    let torrent = &settings.scopes[1];
    assert_eq!(torrent.limits.half_open, Some(5));
    assert_eq!(torrent.limits.drain, Rate::new(2, Duration::from_secs(1)), "what is not changed stays");
    assert_eq!(settings.scopes[2].limits.drain, Rate::new(1, Duration::from_secs(1)));
    assert_eq!(settings.interfaces[0].limits.half_open, Some(7));

    let text = resolved.to_toml();
    assert!(
        text.lines().any(|line| line.starts_with("half_open = 5 ") && line.ends_with("30.toml:3:13")),
        "{text}"
    );
    let again = Host::with(&text).load(&[]).unwrap();
    assert_eq!((again.settings(), again.hash()), (settings, resolved.hash()));
    assert_ne!(host.load(&["scope.b.drain=2/s"]).unwrap().hash(), resolved.hash());
}

#[test]
fn a_rule_takes_a_list_of_patterns_in_their_order() {
    let rule = scope("x", "cgroup = [\"/a/*/c\", # why\n  \"/b/\",\n \"/*\"], user = 7", "per = \"cgroup\"");
    let resolved = Host::with(&rule).load(&[]).unwrap();
    let settings = resolved.settings();
    assert_eq!(settings.scopes[0].cgroups, ["/a/*/c", "/b", "/*"]);
    assert_eq!(Host::with(&resolved.to_toml()).load(&[]).unwrap().settings(), settings);
    let other = Host::with(&rule.replace("/b/", "/c")).load(&[]).unwrap();
    assert_ne!(other.hash(), resolved.hash());
    let one = Host::with(&scope("x", "cgroup = [\"/a\"]", "")).load(&[]).unwrap();
    assert!(one.to_toml().contains("match = { cgroup = \"/a\" }"), "{}", one.to_toml());
    // Each pattern takes the room of a rule.
    let patterns = |count: usize| {
        let list = (0..count).map(|at| format!("\"/{at}\"")).collect::<Vec<_>>().join(", ");
        scope("x", &format!("cgroup = [{list}]"), "") + &scope("y", "user = 1", "")
    };
    assert!(Host::with(&patterns(47)).load(&[]).is_ok());
    let beyond = Host::with(&patterns(48)).error();
    assert!(beyond.contains("scope.y is one too many: [[scope]] takes at most 48 rules"), "{beyond}");
}

#[test]
fn every_wrong_rule_is_refused_at_its_place() {
    let wrong = [
        ("scope = 3", "1:9:", "write [[scope]] on a line of its own"),
        ("[scope]\nname = \"x\"", "1:1:", "write [[scope]]"),
        ("[[scope]]\nhalf_open = 3", "1:1:", "this rule has no name"),
        ("[[scope]]\nname = \"a b\"", "2:8:", "letters, digits"),
        ("[[scope]]\nname = \"\"", "2:8:", "letters, digits"),
        ("[[scope]]\nname = \"host\"", "2:8:", "host is the whole host"),
        ("[[scope]]\nname = \"exec-7\"", "2:8:", "`halfopen exec`"),
        ("[[scope]]\nname = \"x\"\nmatch = {}", "3:9:", "a second [host]"),
        ("[[scope]]\nname = \"x\"\nmatch = \"/a\"", "3:9:", "a table of cgroup"),
        ("[[scope]]\nname = \"x\"\nper = \"user\"", "1:1:", "has no match"),
        ("[[scope]]\nname = \"x\"", "1:1:", "has no match"),
        (
            "[[scope]]\nname = \"x\"\nhalf_open = 3",
            "3:13:",
            "no scope.x to change: there is no [[scope]] in force",
        ),
        ("[[scope]]\nname = \"x\"\nmatch = { cgrup = \"/\" }", "3:11:", "did you mean cgroup?"),
        (
            "[[scope]]\nname = \"x\"\nmatch = { pid = 1 }",
            "3:11:",
            "match has cgroup, container, label, user, exe, comm, not",
        ),
        ("[[scope]]\nname = \"x\"\nmatch = { cgroup = \"/a/**\" }", "3:20:", "** has no meaning"),
        ("[[scope]]\nname = \"x\"\nmatch = { cgroup = \"a\" }", "3:20:", "from the root of the hierarchy"),
        ("[[scope]]\nname = \"x\"\nmatch = { cgroup = [] }", "3:20:", "or a list of patterns"),
        ("[[scope]]\nname = \"x\"\nmatch = { cgroup = 7 }", "3:20:", "or a list of patterns"),
        ("[[scope]]\nname = \"x\"\nmatch = { cgroup = [\"/a\", 7] }", "3:27:", "or a list of patterns"),
        ("[[scope]]\nname = \"x\"\nmatch = { cgroup = [\"/a\", \"b\"] }", "3:27:", "from the root"),
        (
            "[[scope]]\nname = \"x\"\nmatch = { cgroup = [\"/a\", \"/*\", \"/b/*\"] }",
            "3:33:",
            "because \"/*\" before it matches all",
        ),
        ("[[scope]]\nname = \"x\"\nmatch = { exe = \"a\" }", "3:17:", "whole path"),
        ("[[scope]]\nname = \"x\"\nmatch = { user = -1 }", "3:18:", "a user's name or number"),
        ("[[scope]]\nname = \"x\"\nmatch = { comm = \"sixteen-letters-\" }", "3:18:", "1 to 15 bytes"),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\nper = \"group\"", "4:7:", "\"user\" or \"process\""),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\nper = \"cgroup\"", "3:9:", "give it, such as match"),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\nhalf_opne = 3", "4:1:", "did you mean half_open?"),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\npers = \"user\"", "4:1:", "did you mean per?"),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\nmode = \"off\"", "4:1:", "above the first table"),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\nhalf_open = 0", "4:13:", "scope.x.half_open = 0"),
        ("[[interface]]\nname = \"a/b\"", "2:8:", "an interface's name"),
        ("[[interface]]\nname = \"eth0\"", "1:1:", "limits nothing"),
        ("[[interface]]\nname = \"eth0\"\nmatch = { user = 1 }", "3:1:", "unknown key"),
        ("[[interface]]\nhalf_open = 1", "1:1:", "this rule has no name"),
        ("[[scpoe]]\nname = \"x\"", "1:3:", "did you mean [[scope]]?"),
        (
            "[host]\nfirst_contacts = 1\nanswers_of_a_scan = \"10%\"",
            "3:21:",
            "answers_of_a_scan is not below answers_of_peers",
        ),
        ("[[scope]]\nname = \"x\"\nmatch = { user = 1 }\nreward = 1", "4:1:", "answers_of_a_scan = \"off\""),
    ];
    for (text, place, named) in wrong {
        let error = Host::with(text).error();
        assert!(error.starts_with(&format!("halfopen.toml:{place}")), "{text:?} gave {error}");
        assert!(error.contains(named), "{text:?} gave {error}");
    }
    let shared = scope("eth0", "user = 7", "") + "[[interface]]\nname = \"eth0\"\nqueue = 1\n";
    let shared = Host::with(&shared).error();
    assert!(shared.starts_with("halfopen.toml:7:9: ") && shared.contains("rename one of them"), "{shared}");
    let twice = Host::with(&[TORRENT, TORRENT].concat()).error();
    assert!(
        twice.starts_with("halfopen.toml:7:1: ") && twice.contains("is already defined further up"),
        "{twice}"
    );
}

#[test]
fn there_is_room_for_48_scopes_and_16_interfaces() {
    let scopes = |count| (0..count).map(|n| scope(&format!("s{n}"), "user = 1", "")).collect::<String>();
    assert_eq!(Host::with(&scopes(48)).load(&[]).unwrap().settings().scopes.len(), 48);
    let error = Host::with(&scopes(49)).error();
    assert!(
        error.starts_with("halfopen.toml:193:1: scope.s48 is one too many: [[scope]] takes at most 48"),
        "{error}"
    );
    let adaptive = scopes(48) + "[host]\n";
    let error = Host::with(&format!("preset = \"adaptive\"\n{adaptive}")).load(&[]).unwrap_err();
    assert!(error.to_string().contains("including those of the preset"), "{error}");
    let interface = |n| format!("[[interface]]\nname = \"e{n}\"\nqueue = 1\n");
    let interfaces = |count: u32| (0..count).map(interface).collect::<Vec<_>>().concat();
    assert_eq!(Host::with(&interfaces(16)).load(&[]).unwrap().settings().interfaces.len(), 16);
    assert!(
        Host::with(&interfaces(17))
            .error()
            .contains("interface.e16 is one too many: [[interface]] takes at most 16")
    );
}

#[test]
fn a_rule_by_name_may_not_be_laxer_than_what_it_would_be_without() {
    let by_name = |limits: &str| scope("named", "comm = \"nmap\"", limits);
    let refused = |rules: &[&str], key: &str| {
        let error = Host::with(&rules.concat()).error();
        assert!(
            error.starts_with("halfopen.toml:1:1: scope.named matches by comm"),
            "{rules:?} gave {error}"
        );
        assert!(error.contains(key), "{rules:?} gave {error}");
    };
    let taken = |rules: &[&str]| drop(Host::with(&rules.concat()).load(&[]).unwrap());
    let later = scope("later", "cgroup = \"/a*\"", "half_open = 4\ndrain = \"2/s\"");
    taken(&[&by_name("half_open = 100")]);
    taken(&[&by_name("half_open = 4\ndrain = \"1/s\""), &later]);
    taken(&[&later, &by_name("half_open = 100")]);
    refused(
        &[&by_name("half_open = 5\ndrain = \"1/s\""), &later],
        "its half_open is laxer than that of scope.later",
    );
    refused(&[&by_name("half_open = 4"), &later], "its drain");
    refused(&[&by_name("half_open = 4\ndrain = \"3/s\""), &later], "its drain");
    refused(&[&by_name("half_open = 4\ndrain = \"1/s\"\nslot_life = \"20s\""), &later], "its slot_life");
    refused(&[&by_name("half_open = 4\ndrain = \"1/s\"\nstrict = false"), &later], "its strict");
    refused(&[&by_name("half_open = 4\nper = \"process\"")], "a fresh account");
    // Who is in one of them cannot be in the other.
    let elsewhere = scope("named", "comm = \"nmap\", cgroup = \"/b\"", "");
    taken(&[&elsewhere, &later]);
    taken(&[&scope("named", "comm = \"nmap\", user = 7", ""), &scope("later", "user = 8", "half_open = 4")]);
    // Another rule by name is no more than the program's choice either.
    taken(&[&by_name("half_open = 9"), &scope("other", "comm = \"x\"", "half_open = 4")]);

    let first = "first_contacts = 5\n";
    let credit = scope("later", "user = 7", first);
    taken(&[&by_name(first), &credit]);
    refused(&[&by_name("half_open = 1"), &credit], "its first_contacts");
    let keys = [
        "answers_of_a_scan = \"1%\"",
        "answers_of_a_scan = \"off\"",
        "answers_of_peers = \"9%\"",
        "credit_rate = \"3/s\"",
        "working_set = 3",
    ];
    for laxer in keys {
        let key = laxer.split(' ').next().unwrap();
        refused(&[&by_name(&[first, laxer].concat()), &credit], &format!("its {key} is"));
    }
    let block = scope("later", "user = 7", &[first, "on_suspect = \"block\"\nblock_for = \"1h\""].concat());
    refused(&[&by_name(&[first, "on_suspect = \"throttle\""].concat()), &block], "its on_suspect");
    refused(&[&by_name(&[first, "on_suspect = \"block\""].concat()), &block], "its block_for");

    // Live, too.
    let host = Host::with(&[&by_name("half_open = 4\ndrain = \"1/s\""), later.as_str()].concat());
    let mut resolved = host.load(&[]).unwrap();
    let before = resolved.clone();
    for (name, value) in [("scope.named.half_open", "5"), ("scope.later.drain", "1/4s")] {
        let error = set(&mut resolved, name, value).unwrap_err().to_string();
        assert!(error.contains("laxer than that of scope.later"), "{error}");
        assert_eq!(resolved, before);
    }
    set(&mut resolved, "scope.later.half_open", "8").unwrap();
    set(&mut resolved, "scope.named.half_open", "5").unwrap();
}

#[test]
fn rules_for_nobody_here_are_left_out_and_said() {
    let rule = scope("x", "user = \"no such user\"", "half_open = 1")
        + &scope("y", "exe = \"/no/such\"", "queue = 1");
    let resolved = Host::with(&rule).load(&[]).unwrap();
    assert_eq!(names(&resolved), ["y"], "a file may yet be installed");
    let unmet = resolved.unmet_scopes();
    assert_eq!(
        unmet,
        ["scope.x: no user no such user: getent passwd finds none", "scope.y: there is no /no/such"]
    );
}

#[test]
fn limits_of_rules_are_read_and_set_by_name() {
    let mut resolved = Host::with(TORRENT).load(&[]).unwrap();
    let shown = |resolved: &Resolved, name: &str| {
        resolved.shown(&read_name(name).unwrap()).map(|(value, origin)| (value, origin.to_string()))
    };
    assert_eq!(shown(&resolved, "scope.torrent.half_open").unwrap().0, "4");
    assert_eq!(shown(&resolved, "scope.torrent.queue").unwrap().0, "unlimited");
    assert_eq!(shown(&resolved, "scope.torrent.first_contacts").unwrap().0, "off");
    assert_eq!(shown(&resolved, "scope.none.half_open"), None);
    assert_eq!(shown(&resolved, "Interfaces\\eth0\\TcpNumConnections"), None);
    set(&mut resolved, "scope.torrent.on_suspect", "throttle").unwrap();
    set(&mut resolved, "scope.torrent.first_contacts", "3").unwrap();
    let first = resolved.settings().scopes[0].limits.first_contact.unwrap();
    assert_eq!((first.credit, first.on_suspect), (3, OnSuspect::Throttle));
    for (number, limit, shown_as) in [("0x32", Some(50), "50"), ("0xfffffe", None, "16777214")] {
        set(&mut resolved, "Interfaces\\eth0\\TcpNumConnections", number).unwrap();
        assert_eq!(resolved.settings().interfaces[0].limits.half_open, limit);
        let (value, origin) = shown(&resolved, "interfaces\\eth0\\TcpNumConnections").unwrap();
        assert_eq!((value.as_str(), origin.as_str()), (shown_as, "halfopen set, not saved"));
    }
    let error = set(&mut resolved, "scope.torrnt.half_open", "3").unwrap_err();
    assert!(error.wrong_use() && error.to_string().contains("the rules in force are torrent"), "{error}");
    assert_eq!(resolved.live().count(), 3, "of what is set twice, the last");
}

#[test]
fn saving_changes_the_rule_where_it_stands_or_adds_only_the_change() {
    let host = Host::with(TORRENT);
    let path =
        host.conf_d("90-local.toml", "# mine\n[[scope]]\nname = \"own\" # mine too\nmatch = { user = 7 }\n");
    let values = [
        ("scope.torrent.half_open", "9"),
        ("scope.own.queue", "3"),
        ("Interfaces\\eth0\\TcpNumConnections", "50"),
        ("scope.torrent.drain", "unlimited"),
    ];
    for (name, value) in values {
        let said = read_said(&read_name(name).unwrap(), value).unwrap();
        save::prepare(&path, &said).unwrap().commit().unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "# mine\n[[scope]]\nname = \"own\" # mine too\nmatch = { user = 7 }\nqueue = 3\n\n[[scope]]\nname = \"torrent\"\n\
         half_open = 9\ndrain = \"unlimited\"\n\n[[interface]]\nname = \"eth0\"\nhalf_open = 50\n"
    );
    let settings = host.load(&[]).unwrap().settings();
    assert_eq!((settings.scopes[0].limits.half_open, settings.scopes[0].limits.drain), (Some(9), None));
    assert_eq!((settings.scopes[1].limits.queue, settings.interfaces[0].limits.half_open), (3, Some(50)));

    fs::write(&path, "scope = [{ name = \"own\", match = { user = 7 } }]\n").unwrap();
    let said = read_said(&read_name("scope.torrent.half_open").unwrap(), "8").unwrap();
    save::prepare(&path, &said).unwrap().commit().unwrap();
    assert_eq!(host.load(&[]).unwrap().settings().scopes[0].limits.half_open, Some(8));
}

const ADAPTIVE: &str = "preset = \"adaptive\"\n";

/// The scope of that name.
fn in_force(text: &str, name: &str) -> ScopeRule {
    let all = Host::with(text).load(&[]).unwrap().settings().scopes;
    all.into_iter().find(|scope| scope.name == name).unwrap()
}

/// The remarks of `check` about the rule of that name.
fn remarks(text: &str, name: &str) -> Vec<String> {
    let text = Host::with(text).load(&[]).unwrap().to_toml();
    let rule = text.split("\n[[").find(|rule| rule.contains(&format!("name = \"{name}\""))).unwrap();
    rule.lines().filter_map(|line| line.strip_prefix("# ")).map(ToOwned::to_owned).collect()
}

#[test]
fn what_a_rule_does_not_name_it_inherits_from_the_rule_that_would_have_counted() {
    let adaptive = Some(FirstContact::adaptive());
    let mine = in_force(&[ADAPTIVE, TORRENT].concat(), "torrent").limits;
    assert_eq!((mine.half_open, mine.first_contact), (Some(4), adaptive));
    for condition in ["user = 7", "exe = \"/x\"", "comm = \"x\"", "cgroup = [\"/a/*/c\", \"/b\"]"] {
        let rule = in_force(&[ADAPTIVE, &scope("x", condition, "half_open = 20")].concat(), "x").limits;
        assert_eq!((rule.half_open, rule.first_contact), (Some(20), adaptive), "{condition}");
    }
    let off = in_force(&[ADAPTIVE, &scope("x", "user = 7", "first_contacts = \"off\"")].concat(), "x").limits;
    assert_eq!(off, Limits { first_contact: None, ..in_force(ADAPTIVE, "adaptive").limits });

    // Key by key through all rules that are for all programs of the one before, whatever is said of them where.
    let preset =
        "[[scope]]\nname = \"adaptive\"\nhalf_open = 9\nblock_for = \"1h\"\nudp_first_contacts = \"5/s\"\n";
    let rules = [
        ADAPTIVE,
        &scope("inner", "cgroup = \"/a/b\", user = 7", "on_suspect = \"block\""),
        &scope("other", "cgroup = \"/a/b/c\"", "half_open = 1"),
        &scope("outer", "cgroup = \"/a/*\"", "drain = \"3/s\"\nfirst_contacts = 64"),
        preset,
    ]
    .concat();
    let inner = in_force(&rules, "inner").limits;
    let first = inner.first_contact.unwrap();
    assert_eq!((inner.half_open, inner.drain), (Some(9), Rate::new(3, Duration::from_secs(1))));
    assert_eq!((first.credit, first.on_suspect), (64, OnSuspect::Block(Duration::from_hours(1))));
    assert_eq!(inner.datagrams, in_force(&rules, "adaptive").limits.datagrams);
    assert!(inner.datagrams.is_some());

    // What `get` shows, with where it stands; and a change there counts here.
    let mut resolved = Host::with(&rules).load(&[]).unwrap();
    let shown = |resolved: &Resolved| {
        let (value, origin) = resolved.shown(&read_name("scope.inner.half_open").unwrap()).unwrap();
        (value, origin.to_string())
    };
    let (value, origin) = shown(&resolved);
    assert!(value == "9" && origin.contains("halfopen.toml"), "{value} {origin}");
    set(&mut resolved, "scope.adaptive.half_open", "8").unwrap();
    assert_eq!(shown(&resolved), ("8".into(), "halfopen set, not saved".into()));
}

#[test]
fn a_rule_inherits_nothing_from_a_rule_that_not_all_its_programs_meet() {
    let others = ["user = 8", "exe = \"/y\"", "comm = \"y\"", "cgroup = \"/a\"", "user = 7, cgroup = \"/a\""];
    for other in others {
        let rules =
            scope("x", "user = 7, exe = \"/x\"", "drain = \"1/s\"") + &scope("y", other, "half_open = 1");
        assert_eq!(in_force(&rules, "x").limits.half_open, None, "{other}");
    }
    for other in ["user = 7", "exe = \"/x\"", "cgroup = \"/\"", "user = 7, exe = \"/x\""] {
        let rules =
            scope("x", "user = 7, exe = \"/x\"", "drain = \"1/s\"") + &scope("y", other, "half_open = 1");
        assert_eq!(in_force(&rules, "x").limits.half_open, Some(1), "{other}");
    }
    let earlier = scope("y", "user = 7", "half_open = 1") + &scope("x", "user = 7", "drain = \"1/s\"");
    assert_eq!(in_force(&earlier, "x").limits.half_open, None);
}

#[test]
fn check_says_what_a_rule_inherits_and_what_it_loosens() {
    let of = |rules: &str, name: &str| remarks(&[ADAPTIVE, rules].concat(), name);
    let torrent = of(TORRENT, "torrent");
    assert!(
        matches!(torrent.as_slice(), [one] if one.starts_with("inherits first_contacts = 32, ")),
        "{torrent:?}"
    );
    assert!(torrent[0].ends_with(" from scope.adaptive"), "{torrent:?}");

    let free = of(&scope("x", "cgroup = \"/a/b\"", "first_contacts = \"off\""), "x");
    let [.., last] = free.as_slice() else { panic!("{free:?}") };
    assert_eq!(last, "loosens scope.adaptive: first_contacts = \"off\" instead of 32");

    let both = scope("x", "user = 7", "half_open = 4")
        + &scope("y", "cgroup = \"/a\"", "half_open = 2\ndrain = \"1/s\"");
    let both = of(&both, "x");
    let expected = "loosens scope.y for those in both: half_open = 4 instead of 2, drain = \"unlimited\" instead of \"1/s\"";
    assert!(both.iter().any(|remark| remark == expected), "{both:?}");
    assert!(
        both.iter().any(|remark| remark.starts_with("tightens scope.adaptive: all programs")),
        "{both:?}"
    );

    let accounts = |condition: &str, per: &str| {
        let all = of(&scope("x", condition, &format!("half_open = 4\n{per}")), "x");
        all.into_iter().filter(|remark| !remark.starts_with("inherits")).collect::<String>()
    };
    assert_eq!(accounts("cgroup = \"/a/b\"", ""), "");
    assert_eq!(accounts("cgroup = \"/a/b*\"", "per = \"cgroup\""), "");
    assert!(accounts("cgroup = \"/a/b*\"", "").starts_with("tightens scope.adaptive: all programs"));
    assert!(
        accounts("cgroup = \"/a/b/c\"", "per = \"cgroup\"")
            .starts_with("loosens scope.adaptive: its cgroups are")
    );
    assert!(
        accounts("user = 7", "per = \"process\"").starts_with("loosens scope.adaptive: a program that forks")
    );
}

#[test]
fn a_rule_that_names_no_amount_keeps_the_accounts_that_it_inherits() {
    let of = |condition: &str, keys: &str| {
        let rule = in_force(&[ADAPTIVE, &scope("x", condition, keys)].concat(), "x");
        (rule.per, rule.cgroups)
    };
    let adaptive = in_force(ADAPTIVE, "adaptive");
    let block = "on_suspect = \"block\"";
    assert_eq!(of("user = 7", block), (Per::Cgroup, adaptive.cgroups.clone()));
    let cgroups = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (condition, expected) in [
        (
            "cgroup = \"/system.slice\"",
            cgroups(&["/system.slice/*kubepods*/*/*", "/system.slice/*", "/system.slice"]),
        ),
        ("cgroup = \"/lxc.payload.*\"", cgroups(&["/lxc.payload.*/*kubepods*/*/*", "/lxc.payload.*"])),
    ] {
        let (per, found) = of(condition, block);
        assert_eq!((per, found.last()), (Per::Cgroup, expected.last()), "{condition}");
        assert!(expected.iter().all(|pattern| found.contains(pattern)), "{condition}: {found:?}");
    }
    // An amount is for all programs of the rule together, and who can make cgroups or choose a name gets nothing new.
    for (condition, keys) in [
        ("cgroup = \"/system.slice\"", "half_open = 50"),
        ("cgroup = \"/system.slice\"", "drain = \"5/s\"\non_suspect = \"block\""),
        ("cgroup = \"/system.slice\"", "first_contacts = 64"),
        ("cgroup = \"/system.slice/*/*\"", block),
        ("comm = \"x\"", block),
    ] {
        assert_eq!(of(condition, keys).0, Per::Rule, "{condition} {keys}");
    }
    let rules = [ADAPTIVE, &scope("x", "user = 7", "half_open = 4\nper = \"process\"")].concat();
    assert_eq!(in_force(&rules, "x").per, Per::Process);
    let said = remarks(&[ADAPTIVE, &scope("x", "user = 7", block)].concat(), "x");
    assert!(said.iter().any(|remark| remark == "has accounts as scope.adaptive has them"), "{said:?}");
}

#[test]
fn a_quota_of_first_contacts_is_what_it_says_whatever_is_inherited() {
    let quota = |limits: Limits| {
        let first = limits.first_contact.unwrap();
        (first.credit, first.rate, first.is_a_test() && first.worth().is_some(), first.order)
    };
    let expected =
        (20, Rate::new(20, Duration::from_mins(1)).unwrap(), false, FirstContact::adaptive().order);
    let users = scope("users", "cgroup = \"/user.slice/*\"", "per = \"cgroup\"\nfirst_contacts = \"20/m\"");
    assert_eq!(quota(in_force(&[ADAPTIVE, &users].concat(), "users").limits), expected);
    let inner =
        scope("inner", "cgroup = \"/user.slice/user-7.slice\"", "half_open = 3\ncredit_rate = \"5/s\"");
    let both = [ADAPTIVE, &inner, &users].concat();
    assert_eq!(quota(in_force(&both, "inner").limits), expected);
    let host = Host::with("[host]\nfirst_contacts = \"20/m\"\nanswers_of_a_scan = \"2%\"\n");
    assert_eq!(quota(host.load(&[]).unwrap().host()), expected);

    // A number afterwards counts as it did before.
    let mut resolved = Host::with(&[ADAPTIVE, &users].concat()).load(&[]).unwrap();
    let shown = resolved.shown(&read_name("scope.users.first_contacts").unwrap()).unwrap().0;
    assert_eq!(shown, "20/m");
    set(&mut resolved, "scope.users.first_contacts", "40").unwrap();
    let settings = resolved.settings();
    let first = settings.scopes[0].limits.first_contact;
    assert_eq!(first, Some(FirstContact { credit: 40, ..FirstContact::adaptive() }));
    for wrong in ["0/m", "1/2h", "x/m", "20"] {
        let text = scope("x", "user = 7", &format!("first_contacts = {wrong:?}"));
        let refused = Host::with(&text).load(&[]).unwrap_err().to_string();
        assert!(refused.contains("or so many per unit of time, such as \"20/m\""), "{wrong}: {refused}");
    }
}

#[test]
fn accounts_stands_for_the_rule_that_gives_everybody_one() {
    let text =
        [ADAPTIVE, "[accounts]\nfirst_contacts = 64\n", &scope("x", "user = 7", "half_open = 9")].concat();
    let credit = |rule: ScopeRule| rule.limits.first_contact.map(|first| first.credit);
    assert_eq!([credit(in_force(&text, "adaptive")), credit(in_force(&text, "x"))], [Some(64); 2]);
    let mut resolved = Host::with(&text).load(&[]).unwrap();
    set(&mut resolved, "accounts.first_contacts", "65").unwrap();
    let shown = |name| resolved.shown(&read_name(name).unwrap()).unwrap().0;
    assert_eq!(
        (shown("accounts.first_contacts"), shown("scope.adaptive.first_contacts")),
        ("65".into(), "65".into())
    );
    // A printed preset is a file with that rule.
    let printed = Preset::Adaptive.text().to_owned() + "[accounts]\nqueue = 7\n";
    assert_eq!(in_force(&printed, "adaptive").limits.queue, 7);
    for (text, place, named) in [
        ("preset = \"xp-sp2\"\n[accounts]\nqueue = 7\n", "3:9", "the preset adaptive has it"),
        ("[accounts]\nquue = 7\n", "2:1", "did you mean queue?"),
        ("[accounts]\nqueue = \"x\"\n", "2:9", "expected a whole number"),
        ("accounts = 7\n", "1:12", "accounts is a table"),
    ] {
        let refused = Host::with(text).load(&[]).unwrap_err().to_string();
        assert!(refused.contains(&format!(":{place}: ")) && refused.contains(named), "{text}: {refused}");
    }
}

#[test]
fn shipped_stands_for_loopback_among_what_is_exempt() {
    let exempt = |text: &str| {
        let settings = Host::with(text).load(&[]).unwrap().settings();
        settings.exempt.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = exempt("exempt = [\"shipped\", \"10.0.0.0/8\", \"127.0.0.0/8\"]\n");
    assert_eq!(all, ["10.0.0.0/8", "127.0.0.0/8", "::1/128"]);
    assert_eq!(exempt("exempt = [\"shipped\"]\n"), exempt(""));
    let mut resolved = Host::with("").load(&[]).unwrap();
    set(&mut resolved, "exempt", "shipped, 10.0.0.0/8").unwrap();
    assert_eq!(resolved.settings().exempt.len(), 3);
}

#[test]
fn a_rule_takes_lists_and_leaves_out_who_meets_any_condition_of_not() {
    let rule = scope(
        "x",
        "cgroup = [\"/a/*\", \"/b\"], user = [7, \"8\"], exe = [\"/x\", \"/y\"], not = { cgroup = \"/a/c\", user = 8 }",
        "half_open = 4",
    );
    let expected = ScopeRule {
        name: "x".into(),
        cgroups: vec!["/a/*".into(), "/b".into()],
        users: vec![7, 8],
        exes: vec!["/x".into(), "/y".into()],
        comms: Vec::new(),
        not: LeftOut { cgroups: vec!["/a/c".into()], users: vec![8], exes: Vec::new() },
        per: Per::Rule,
        limits: Limits { half_open: Some(4), ..open() },
    };
    assert_eq!(in_force(&rule, "x"), expected);
    let shown = Host::with(&rule).load(&[]).unwrap().to_toml();
    assert!(
        shown.contains(
            "user = [\"7\", \"8\"], exe = [\"/x\", \"/y\"], not = { cgroup = \"/a/c\", user = \"8\" } }"
        ),
        "{shown}"
    );
    // Nobody has looked for containers yet: their rule matches nobody, and leaves nobody out.
    let text = scope("x", "container = \"web*\", label = \"a=b\"", "per = \"cgroup\"\nhalf_open = 4")
        + &scope("y", "user = 7, not = { container = \"web*\" }", "queue = 1");
    let resolved = Host::with(&text).load(&[]).unwrap();
    assert_eq!((names(&resolved), resolved.containers().len()), (vec!["y".to_owned()], 2));
    assert!(
        resolved.to_toml().contains("match = { container = \"web*\", label = \"a=b\" }"),
        "{}",
        resolved.to_toml()
    );
    // A user that this host lacks leaves those that it has.
    assert_eq!(in_force(&scope("x", "user = [7, \"no such user\"]", "queue = 1"), "x").users, [7]);
    for (condition, named) in [
        ("user = 7, not = { comm = \"x\" }", "by it would leave the rule"),
        ("user = 7, not = { cgroup = \"/\" }", "leaves everybody out"),
        (
            "user = 7, not = { not = { user = 8 } }",
            "unknown key: not has cgroup, container, label, user, exe",
        ),
        ("not = { user = 8 }", "a rule for everybody"),
        ("container = \"x\", cgroup = \"/a\"", "name cgroup, or container and label, not both"),
        ("container = \"\"", "expected a container's name"),
        ("label = [7]", "expected a container's label"),
        ("user = 7, not = {}", "name a cgroup, user, exe or comm"),
        ("user = []", "a list of users"),
        ("exe = [\"x\"]", "expected the file's whole path"),
    ] {
        let refused = Host::with(&scope("x", condition, "queue = 1")).load(&[]).unwrap_err().to_string();
        assert!(refused.contains(named), "{condition}: {refused}");
    }
    let refused = Host::with("never_hold = [{ user = [7, 8] }]\n").load(&[]).unwrap_err().to_string();
    assert!(refused.contains("expected a user's name or number"), "{refused}");
}

#[test]
fn a_rule_that_leaves_some_out_is_inherited_from_only_without_them() {
    let inherits = |condition: &str, from: &str| {
        let rules = scope("x", condition, "drain = \"1/s\"") + &scope("y", from, "half_open = 1");
        in_force(&rules, "x").limits.half_open == Some(1)
    };
    for (condition, from) in [
        ("user = 7", "user = [7, 8]"),
        ("user = 7", "cgroup = \"/\", not = { user = 8 }"),
        ("cgroup = \"/a\"", "cgroup = \"/\", not = { cgroup = \"/b/*\" }"),
        ("cgroup = \"/a\", not = { exe = \"/x\" }", "cgroup = \"/a\", not = { exe = \"/x\" }"),
        ("cgroup = \"/a\", not = { cgroup = \"/a/*\" }", "cgroup = \"/a\", not = { cgroup = \"/a/b\" }"),
    ] {
        assert!(inherits(condition, from), "{condition} from {from}");
    }
    for (condition, from) in [
        ("user = [7, 8]", "user = 7"),
        ("user = 7", "cgroup = \"/\", not = { user = 7 }"),
        ("user = 7", "cgroup = \"/\", not = { cgroup = \"/b\" }"),
        ("user = 7", "user = 7, not = { exe = \"/x\" }"),
        ("cgroup = \"/a\"", "cgroup = \"/a\", not = { cgroup = \"/a/b\" }"),
    ] {
        assert!(!inherits(condition, from), "{condition} from {from}");
    }
}
