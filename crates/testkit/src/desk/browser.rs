//! A headless Chromium that a test drives as a user would, over its DevTools pipe.

use crate::page::FLAGS;
use crate::{Cgroup, Lab};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the browser may take for one step on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The browser, with one page.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    sent: u64,
    page: Option<String>,
    _profile: TempDir,
    /// Ends what the browser has left behind.
    _cgroup: Cgroup,
}

impl Browser {
    /// Starts it in the namespace of the lab's client.
    pub fn start(lab: &Lab) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let cgroup = lab.new_cgroup("browser").unwrap();
        // The pipe is on the descriptors 3 and 4.
        let script = "exec 3<&0 4>&1 </dev/null >/dev/null; exec \"$@\"";
        let mut command = lab.client().command_in(&cgroup, "sh");
        command.args(["-c", script, "sh", "chromium", "--remote-debugging-pipe"]).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
            command.env(variable, profile.path());
        }
        command.env("DBUS_SESSION_BUS_ADDRESS", "disabled:").env("DBUS_SYSTEM_BUS_ADDRESS", "disabled:");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, input, output, sent: 0, page: None, _profile: profile, _cgroup: cgroup };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.page = session["sessionId"].as_str().map(ToOwned::to_owned);
        browser.call("Page.enable", &json!({}));
        browser
    }

    /// Calls a method of the DevTools protocol.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(page) = &self.page {
            message["sessionId"] = json!(page);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = Vec::new();
            self.output.read_until(0, &mut answer).unwrap();
            assert_eq!(answer.pop(), Some(0), "the browser has ended");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.sent {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Opens an address, and waits until the page is there.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        self.settle();
    }

    /// What a script of one expression comes to, in the page.
    pub fn run(&mut self, script: &str) -> Value {
        let found = self.evaluate(script);
        assert!(found["exceptionDetails"].is_null(), "{script}: {found}");
        found["result"]["value"].clone()
    }

    /// Waits until a script comes to true, in whatever page is there by then.
    pub fn until(&mut self, what: &str, script: &str) {
        let start = Instant::now();
        // While a page is being replaced there is none to ask.
        while self.evaluate(script)["result"]["value"] != true {
            let text = self.evaluate("document.body && document.body.innerText")["result"]["value"].clone();
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}: {script} in {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Clicks what a selector finds, and waits for the page that this leads to.
    pub fn follow(&mut self, selector: &str) {
        self.run("window.isLeft = true");
        self.run(&format!("document.querySelector({}).click() ?? true", json!(selector)));
        self.until(&format!("the page behind {selector}"), "window.isLeft === undefined");
        self.settle();
    }

    /// Types text in place of what a field has.
    pub fn fill(&mut self, selector: &str, text: &str) {
        let field = json!(selector);
        self.run(&format!(
            "(() => {{ const field = document.querySelector({field}); field.focus(); field.select(); return true; }})()"
        ));
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Presses a key, as a user without a mouse does.
    pub fn press(&mut self, key: &str) {
        let text = if key == "Enter" { "\r" } else { "" };
        let number = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let parameters = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": number,
                "text": text });
            self.call("Input.dispatchKeyEvent", &parameters);
        }
    }

    /// The size of the window, and whether the user prefers dark pages.
    pub fn look(&mut self, width: u32, height: u32, is_dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// What the window shows, as PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let shot =
            self.call("Page.captureScreenshot", &json!({ "format": "png", "optimizeForSpeed": false }));
        BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// Waits until the page has loaded all that belongs to it.
    fn settle(&mut self) {
        self.until("the page", "document.readyState === 'complete'");
    }

    fn evaluate(&mut self, script: &str) -> Value {
        let parameters =
            json!({ "expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true });
        self.call("Runtime.evaluate", &parameters)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
