//! The dashboard that is shipped for Grafana is one by Grafana's own types, `@grafana/schema`: TypeScript checks it as a
//! literal, so that a key which Grafana does not know is an error too.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::desk::{Said, said};
use testkit::{Lab, Skip};

const DASHBOARD: &str = include_str!("../../../packaging/grafana/halfopen.json");
/// Where `tools/packages browser` puts the types.
const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs/grafana-types/node_modules");
const SETTINGS: &str = r#"{ "compilerOptions": { "noEmit": true, "strict": true, "skipLibCheck": true, "types": [],
    "module": "nodenext", "moduleResolution": "nodenext", "target": "es2022" }, "files": ["dashboard.ts"] }"#;

fn checked(dashboard: &str) -> Said {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    file("tsconfig.json", SETTINGS);
    let import = "import type { Dashboard } from \"@grafana/schema\";";
    file("dashboard.ts", &format!("{import}\nexport const dashboard: Dashboard = {dashboard};\n"));
    std::os::unix::fs::symlink(TYPES, place.path().join("node_modules")).unwrap();
    said(Command::new("node").arg("node_modules/typescript/bin/tsc").current_dir(place.path()))
}

#[test]
fn it_is_a_dashboard_by_grafanas_types() {
    let found = if Path::new(TYPES).join("@grafana/schema").is_dir() {
        Ok(())
    } else {
        Err(Skip::NoProgram { program: "@grafana/schema", package: "@grafana/schema of npm" })
    };
    if !Lab::required(found) {
        return;
    }
    let right = checked(DASHBOARD);
    assert_eq!(right.code, Some(0), "{right:?}");
    for (key, wrong) in [("\"gridPos\"", "\"grid\""), ("\"refresh\": \"30s\"", "\"refresh\": 30")] {
        assert!(DASHBOARD.contains(key));
        assert_ne!(
            checked(&DASHBOARD.replace(key, wrong)).code,
            Some(0),
            "{wrong} is no part of a dashboard"
        );
    }
}
