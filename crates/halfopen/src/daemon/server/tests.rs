use super::*;
use crate::control::{Client, ClientError, RefusalKind};
use crate::runtime_dir::RuntimeDir;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream as Blocking;
use tokio::net::UnixListener;

/// More than a socket takes at once.
const LONG: usize = 4 << 20;

/// A server whose owner answers every request with a value, which is long for one setting, and a runtime on a thread of its own.
fn daemon() -> (tempfile::TempDir, RuntimeDir) {
    let place = tempfile::tempdir().unwrap();
    let directory = RuntimeDir::at(place.path().to_owned());
    let socket = std::os::unix::net::UnixListener::bind(directory.socket()).unwrap();
    socket.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (calls, mut taken) = mpsc::channel(8);
            let listener = UnixListener::from_std(socket).unwrap();
            tokio::spawn(serve(Door { listener, admins: None, history: None }, calls));
            while let Some(call) = taken.recv().await {
                let Call::Ask { request, reply, .. } = call else { continue };
                let is_long = request == Request::Get { name: "long".into() };
                let value = if is_long { "x".repeat(LONG) } else { "10".into() };
                let _ = reply.send(Reply::Answer(Answer::Value { value }));
            }
        });
    });
    (place, directory)
}

fn ask(directory: &RuntimeDir) -> Result<Answer, ClientError> {
    let request = Request::Get { name: "half_open".into() };
    Client::ask(directory, &request, Some(Duration::from_secs(20)))?.answer()
}

fn connect(directory: &RuntimeDir) -> Blocking {
    let stream = Blocking::connect(directory.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE * 4)).unwrap();
    stream
}

/// What is answered to `text`, until the daemon closes the connection.
fn answered(mut stream: Blocking, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn clients_that_hang_do_not_stall_the_next() {
    let (_place, directory) = daemon();
    let hanging: Vec<_> = (0..AT_ONCE - 1)
        .map(|number| {
            let mut stream = connect(&directory);
            let begun = ["GET /v1/sta", "POST /v1/off HTTP/1.1\r\nContent-Length: 7\r\n\r\n{"];
            stream.write_all(begun[number % begun.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(ask(&directory).unwrap(), Answer::Value { value: "10".into() });
    for (number, stream) in hanging.into_iter().enumerate() {
        let answer = answered(stream, "");
        assert_eq!(status_of(&answer), ["", "408"][number % 2], "{answer}");
    }
}

#[test]
fn requests_without_end_are_refused() {
    let (_place, directory) = daemon();
    let head = format!("GET /v1/status HTTP/1.1\r\nX: {}", "x".repeat(LONGEST_HEAD * 2));
    let mut stream = connect(&directory);
    // The daemon may close before all of it is sent.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(status_of(&String::from_utf8_lossy(&answer)), "431");
    let long = LONGEST_REQUEST + 1;
    let body =
        format!("POST /v1/off HTTP/1.1\r\nHost: a\r\nContent-Length: {long}\r\n\r\n{}", " ".repeat(long));
    let answer = answered(connect(&directory), &body);
    assert_eq!(status_of(&answer), "413", "{answer}");
    assert_eq!(ask(&directory).unwrap(), Answer::Value { value: "10".into() });
}

#[test]
fn a_long_answer_comes_as_a_whole_to_those_who_read_it() {
    let (_place, directory) = daemon();
    let mut stream = connect(&directory);
    stream.write_all(b"GET /v1/settings/long HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (mut length, mut piece) = (0, [0; 1_000]);
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            read => length += read,
        }
    }
    assert!(length > LONG, "{length} of {LONG}");
    // One who does not read loses the connection.
    let mut stream = connect(&directory);
    stream.write_all(b"GET /v1/settings/long HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let closed = PollFlags::HUP;
    let patience = Timespec::try_from(PATIENCE * 4).unwrap();
    assert_eq!(poll(&mut [PollFd::new(&stream, closed)], Some(&patience)), Ok(1));
}

/// Users other than root wait after each request, and root does not wait for them.
#[tokio::test]
async fn others_have_a_share_of_the_owner_s_time() {
    let (calls, mut taken) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Some(Call::Ask { reply, .. }) = taken.recv().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let _ = reply.send(Reply::Answer(Answer::ScopeEnded));
        }
    });
    let lasting = Arc::new(Semaphore::new(1));
    let daemon = Daemon { calls, history: None, lasting, of_others: Arc::default() };
    let ask = |peer| daemon.in_turn(peer, daemon.ask(peer, Request::Status));
    assert!(ask(Peer::READER).await.is_ok());
    assert!(daemon.of_others.try_lock().is_err(), "the next one waits");
    assert!(ask(Peer::ROOT).await.is_ok());
    assert!(daemon.of_others.try_lock().is_err(), "root has not waited for it");
    assert!(ask(Peer::READER).await.is_ok());
}

#[test]
fn nonsense_is_refused_as_wrong_use() {
    let (_place, directory) = daemon();
    for (begin, body, status) in [
        ("GET /v1/statu", "", "404"),
        ("DELETE /v1/status", "", "405"),
        ("GET /v1/status?format=c:", "", "400"),
        ("POST /v1/accounts/block", "{\"account\":\"a\"}", "400"),
        ("POST /v1/accounts/block", "\"status\"", "400"),
    ] {
        let length = body.len();
        let request = format!("{begin} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        let answer = answered(connect(&directory), &request);
        assert_eq!(status_of(&answer), status, "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let refused = Answer::read("refused", serde_json::from_str(body).unwrap()).unwrap();
        assert!(matches!(refused, Answer::Refused { kind: RefusalKind::WrongUse, .. }), "{refused:?}");
    }
}
