//! schemathesis makes requests from the API's own description: the daemon answers each as it describes.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use testkit::desk::limit;
use testkit::{Lab, Skip, require_lab};

/// Where `tools/packages peers` puts it.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stubs/schemathesis");
const RUN: &str = "from schemathesis.cli import schemathesis; schemathesis()";

/// Answers what connects as the control socket does: schemathesis connects to TCP only. Ends with the test's process.
fn offer(listener: TcpListener, control: PathBuf) {
    let serve = move |client: TcpStream| -> io::Result<()> {
        let daemon = UnixStream::connect(&control)?;
        let (mut from_client, mut to_daemon) = (client.try_clone()?, daemon.try_clone()?);
        let (mut from_daemon, mut to_client) = (daemon, client);
        // Either side may close at any time.
        thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_daemon);
            let _ = to_daemon.shutdown(Shutdown::Write);
        });
        thread::spawn(move || {
            let _ = io::copy(&mut from_daemon, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        Ok(())
    };
    thread::spawn(move || listener.incoming().flatten().try_for_each(serve));
}

#[test]
fn every_request_that_it_makes_of_the_description_is_answered_as_described() {
    require_lab!();
    let found = if Path::new(PACKAGES).join("schemathesis").is_dir() {
        Ok(())
    } else {
        Err(Skip::NoProgram { program: "schemathesis", package: "schemathesis (PyPI; see tools/packages)" })
    };
    if !Lab::required(found) {
        return;
    }
    let lab = Lab::new().unwrap();
    let limiter = limit(&lab, 5).start().unwrap();
    let listener = lab.client().run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap().unwrap();
    let url = format!("http://{}/v1/openapi.json", listener.local_addr().unwrap());
    offer(listener, limiter.run_directory().join("control.sock"));
    let mut schemathesis = lab.client().command("timeout");
    schemathesis.env("PYTHONPATH", PACKAGES).env("PYTHONDONTWRITEBYTECODE", "1");
    schemathesis.current_dir(limiter.run_directory()).args(["300", "python3", "-c", RUN, "run", &url]);
    // `off` ends the daemon. What a description allows and a configuration does not is refused: unknown names, say.
    schemathesis.args(["--exclude-path", "/v1/off", "--exclude-checks", "positive_data_acceptance"]);
    schemathesis.args(["--seed", "4226", "--max-examples", "5", "--request-timeout", "5", "--no-color"]);
    let ended = schemathesis.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(told.contains("Tested: 20"), "{told}");
    limiter.status().unwrap();
}
