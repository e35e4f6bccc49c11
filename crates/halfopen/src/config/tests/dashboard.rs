//! `[dashboard]`: what it may listen on, and with what.

use super::*;

fn error_of(sets: &[&str]) -> Option<String> {
    Host::with("").load(sets).err().map(|e| e.to_string())
}

#[test]
fn beyond_loopback_it_needs_a_certificate_and_its_key() {
    let files = ["dashboard.certificate=/etc/c.pem", "dashboard.key=/etc/k.pem"];
    for near in ["off", "127.0.0.1:4227", "[::1]:4227"] {
        let listen = format!("dashboard.listen={near}");
        assert_eq!(error_of(&[&listen]), None);
        assert_eq!(error_of(&[&listen, files[0], files[1]]), None);
    }
    let far = "dashboard.listen=192.0.2.1:4227";
    assert_eq!(error_of(&[far, files[0], files[1]]), None);
    for (files, lacks) in [(&files[..0], "certificate"), (&files[..1], "key"), (&files[1..], "certificate")] {
        let error = error_of(&[&[far], files].concat()).unwrap();
        assert!(error.starts_with(&format!("--set: dashboard.{lacks} is missing")), "{error}");
    }
    // One after the other, as `set` takes them.
    assert_eq!((error_of(&files[..1]), error_of(&files[1..])), (None, None));
    assert!(error_of(&["dashboard.listen=127.0.0.1:4227", files[0]]).unwrap().contains("dashboard.key"));
}
