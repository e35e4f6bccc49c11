//! `[[deny]]` in files, on the command line, and saved.

use super::*;

const PRIVATE: &str = "[[deny]]\nname = \"private\"\nto = [\"10.0.0.0/8\", \"fc00::/7\", \"10.0.0.0/8\"]\nexcept = [\"10.0.0.2\"]\n\
                       port = [\"6881-6889\", 22]\nmode = \"audit\"\n";

fn nets(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_rule_says_where_and_the_rest_is_everything_refused() {
    let bare = "[[deny]]\nname = \"bare\"\nto = [\"192.0.2.7\"]\n";
    let rules = Host::with(&[PRIVATE, bare].concat()).load(&[]).unwrap().settings().deny;
    let [private, bare] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!(private.to, nets(&["10.0.0.0/8", "fc00::/7"]));
    assert_eq!((&private.except, &private.ports), (&nets(&["10.0.0.2/32"]), &vec![22..=22, 6881..=6889]));
    assert_eq!((private.tcp, private.udp, private.mode), (true, true, Mode::Audit));
    assert_eq!((bare.tcp, bare.udp, bare.mode, bare.ports.len()), (true, true, Mode::Enforce, 0));
    let sample = sample();
    let sample = sample.lines().skip_while(|line| *line != "#     [[deny]]");
    let sample: Vec<&str> = sample.map_while(|line| line.strip_prefix("#     ")).collect();
    let shipped = Host::with(&sample.join("\n")).load(&[]).unwrap().settings().deny;
    assert_eq!(
        (shipped.len(), shipped[0].mode),
        (1, Mode::Audit),
        "the sample's rule works once its # is gone"
    );
}

#[test]
fn later_files_replace_a_rule_or_change_single_keys_and_all_of_it_counts() {
    let host = Host::with(PRIVATE);
    host.conf_d("10.toml", "[[deny]]\nname = \"private\"\nprotocol = \"udp\"\nport = \"all\"\n");
    host.conf_d("20.toml", "[[deny]]\nname = \"b\"\nto = [\"192.0.2.0/24\"]\nport = 25\n");
    host.conf_d("30.toml", "[[deny]]\nname = \"b\"\nto = [\"198.51.100.0/24\"]\n");
    let resolved = host.load(&["deny.private.except=10.0.0.3, 10.0.1.0/24"]).unwrap();
    let rules = resolved.settings().deny;
    assert_eq!(
        (rules[0].tcp, rules[0].udp, rules[0].ports.len(), rules[0].mode),
        (false, true, 0, Mode::Audit)
    );
    assert_eq!(rules[0].except, nets(&["10.0.0.3/32", "10.0.1.0/24"]));
    assert_eq!((&rules[1].to, rules[1].ports.len()), (&nets(&["198.51.100.0/24"]), 0), "begun anew");
    let again = Host::with(&resolved.to_toml()).load(&[]).unwrap();
    assert_eq!((again.settings(), again.hash()), (resolved.settings(), resolved.hash()));
    for change in ["deny.b.mode=off", "deny.b.port=1-2", "deny.b.protocol=tcp", "deny.b.except=198.51.100.1"]
    {
        assert_ne!(host.load(&[change]).unwrap().hash(), host.load(&[]).unwrap().hash(), "{change}");
    }
}

#[test]
fn every_wrong_rule_is_refused_at_its_place() {
    let rule = |line: &str| format!("[[deny]]\nname = \"x\"\nto = [\"10.0.0.0/8\"]\n{line}");
    let wrong = [
        ("deny = 3".to_owned(), "1:8:", "write [[deny]] on a line of its own"),
        ("[deny]\nname = \"x\"".into(), "1:1:", "write [[deny]]"),
        ("[[dney]]\nname = \"x\"".into(), "1:3:", "did you mean [[deny]]?"),
        ("[[deny]]\nto = [\"10.0.0.0/8\"]".into(), "1:1:", "this rule has no name"),
        ("[[deny]]\nname = \"a b\"\nto = []".into(), "2:8:", "letters, digits"),
        ("[[deny]]\nname = \"x\"".into(), "1:1:", "has no to"),
        ("[[deny]]\nname = \"x\"\nto = []".into(), "3:6:", "at least one prefix"),
        ("[[deny]]\nname = \"x\"\nto = [\"10.0.0.0/33\"]".into(), "3:7:", "a list of prefixes"),
        ("[[deny]]\nname = \"x\"\nmode = \"off\"".into(), "3:8:", "there is no deny.x to change"),
        (rule("prot = \"tcp\""), "4:1:", "did you mean port?"),
        (rule("protcol = \"tcp\""), "4:1:", "did you mean protocol?"),
        (rule("reason = \"x\""), "4:1:", "[[deny]] has name, to, except"),
        (rule("protocol = \"icmp\""), "4:12:", "\"udp\" or \"both\""),
        (rule("port = [0]"), "4:8:", "from 1 to 65535"),
        (rule("port = [\"9-8\"]"), "4:8:", "as [22, \"6881-6889\"]"),
        (rule("port = [\"+9\"]"), "4:8:", "as [22, \"6881-6889\"]"),
        (rule("port = []"), "4:8:", "or \"all\""),
        (rule("port = [1,2,3,4,5,6,7,8,9]"), "4:8:", "at most 8"),
        (rule("mode = \"deny\""), "4:8:", "deny.x.mode = \"deny\""),
        (rule("[[deny]]\nname = \"x\"\nto = [\"::/0\"]"), "4:1:", "is already defined further up"),
    ];
    for (text, place, named) in wrong {
        let error = Host::with(&text).error();
        assert!(error.starts_with(&format!("halfopen.toml:{place}")), "{text:?} gave {error}");
        assert!(error.contains(named), "{text:?} gave {error}");
    }
    let one = |n: u32| format!("[[deny]]\nname = \"n{n}\"\nto = [\"10.0.0.{n}\"]\n");
    let many = |count| (0..count).map(one).collect::<Vec<_>>().concat();
    assert_eq!(Host::with(&many(64)).load(&[]).unwrap().settings().deny.len(), 64);
    let error = Host::with(&many(65)).error();
    assert!(error.starts_with("halfopen.toml:193:1: deny.n64 is one too many"), "{error}");
    let prefixes: Vec<String> = (0..4096).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let with = |count| format!("[[deny]]\nname = \"x\"\nto = {:?}", &prefixes[..count]);
    assert!(Host::with(&with(4095)).load(&[]).is_ok());
    assert!(Host::with(&with(4096)).error().contains("more than 4095 prefixes"));
}

#[test]
fn values_are_read_set_and_saved_by_name() {
    let host = Host::with(PRIVATE);
    let mut resolved = host.load(&[]).unwrap();
    let shown =
        |resolved: &Resolved, name: &str| resolved.shown(&read_name(name).unwrap()).map(|(value, _)| value);
    let values =
        ["mode", "port", "protocol", "except"].map(|key| shown(&resolved, &format!("deny.private.{key}")));
    let expected = ["audit", "22, 6881-6889", "both", "10.0.0.2/32"].map(|value| Some(value.to_owned()));
    assert_eq!(values, expected);
    assert_eq!(shown(&resolved, "deny.none.mode"), None);
    set(&mut resolved, "deny.private.port", "all").unwrap();
    assert_eq!(shown(&resolved, "deny.private.port").unwrap(), "all");
    for (name, named) in [
        ("deny.privat.mode", "the rules in force are private"),
        ("deny.private.to", "to can only be set in a file"),
    ] {
        let error = set(&mut resolved, name, "off").unwrap_err();
        assert!(error.wrong_use() && error.to_string().contains(named), "{error}");
    }
    let path = local_file(&host);
    for (name, value) in [("deny.private.mode", "enforce"), ("deny.private.port", "80, 1-9")] {
        let said = read_said(&read_name(name).unwrap(), value).unwrap();
        save::prepare(&path, &said).unwrap().commit().unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "[[deny]]\nname = \"private\"\nmode = \"enforce\"\nport = [\"1-9\", 80]\n");
    let rules = host.load(&[]).unwrap().settings().deny;
    assert_eq!(
        (rules[0].mode, &rules[0].ports, rules[0].except.len()),
        (Mode::Enforce, &vec![1..=9, 80..=80], 1)
    );
}

fn local_file(host: &Host) -> PathBuf {
    save::local_file(&host.file())
}
