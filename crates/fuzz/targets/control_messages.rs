//! What the control socket reads: a request comes back as it was sent, an answer too, and no query, body or stream makes
//! the program do anything but refuse it.

#![no_main]

use halfopen::control::routes::ROUTES;
use halfopen::control::server_sent::ServerSent;
use halfopen::control::{Answer, Request};
use libfuzzer_sys::fuzz_target;

fn comes_back(request: &Request) {
    let written = request.written().expect("what was read can be written");
    assert_eq!(written.read().as_ref(), Ok(request), "{written:?}");
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        comes_back(&request);
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        let (name, body) = answer.written().expect("what was read can be written");
        assert_eq!(Answer::read(&name, body).expect("what was written can be read"), answer);
    }
    // The route, its parameters, and its body.
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let (first, query, body) = (text(), text(), text());
    if let Some(route) = ROUTES.iter().find(|route| route.request == first) {
        let in_path = route.in_path().map(|name| (name, "mode"));
        if let Ok(request) = route.read(in_path, query, body.as_bytes(), false) {
            comes_back(&request);
        }
    }
    let mut stream = ServerSent::default();
    stream.add(bytes);
    stream.for_each(drop);
});
