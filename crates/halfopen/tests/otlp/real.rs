//! A collector that others have written.

use crate::scene::{HERE, Scene};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use testkit::desk::{PATIENCE, until};
use testkit::{Lab, Skip, require_lab};

/// Where `tools/packages test` unpacks it.
const ROTEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs/rotel/rotel/rotel-agent");

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn rotel_takes_an_event_and_understands_all_of_it() {
    require_lab!();
    let found = if PathBuf::from(ROTEL).is_file() {
        Ok(())
    } else {
        Err(Skip::NoProgram { program: "rotel", package: "rotel (PyPI; see tools/packages)" })
    };
    if !Lab::required(found) {
        return;
    }
    let scene = Scene::new();
    let told = scene.directory.path().join("rotel.log");
    let mut rotel = scene.lab.client().command(ROTEL);
    rotel.args(["start", "--otlp-http-endpoint", HERE, "--otlp-grpc-endpoint", "127.0.0.1:4317"]);
    rotel.args(["--exporter", "blackhole", "--debug-log", "logs", "--debug-log-verbosity", "detailed"]);
    let log = fs::File::create(&told).unwrap();
    rotel.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let _rotel = Running(rotel.spawn().unwrap());
    let _dialling = scene.scan();
    let record = until("the record", PATIENCE, || {
        let text = fs::read_to_string(&told).unwrap();
        text.contains("LogRecord #0").then_some(text).filter(|text| text.contains("Flags:"))
    });
    for line in [
        "     -> service.name: Str(halfopen)",
        "SeverityNumber: SEVERITY_NUMBER_WARN(13)",
        "EventName: halfopen.reached",
        "     -> halfopen.event.id: Int(4226)",
        "     -> halfopen.audited: Bool(false)",
    ] {
        assert!(record.lines().any(|found| found == line), "{line} in {record}");
    }
    assert!(record.contains("Body: Str(event 4226: "), "{record}");
    assert!(record.contains("-> ocsf: Map(class_uid:Int(4001)"), "{record}");
    scene.await_well();
}
