//! Reads server-sent events (HTML, section 9.2) as the daemon writes them.

/// What has come of a stream, and not been taken: its events that are whole.
#[derive(Debug, Default)]
pub struct ServerSent {
    bytes: Vec<u8>,
}

/// An event: what kind it is, and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its kind.
    pub event: String,
    /// Its data.
    pub data: String,
}

impl ServerSent {
    /// Adds what has come.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl Iterator for ServerSent {
    type Item = Sent;

    /// The next event that has come as a whole. Comments are passed over.
    fn next(&mut self) -> Option<Sent> {
        loop {
            let end = self.bytes.windows(2).position(|two| two == b"\n\n")?;
            let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&block);
            let field = |name: &str| {
                let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                let values: Vec<&str> = lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect();
                (!values.is_empty()).then(|| values.join("\n"))
            };
            if let (Some(event), Some(data)) = (field("event"), field("data")) {
                return Some(Sent { event, data });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_they_come() {
        let text = b"event: a\nid: 7\ndata: {\"b\":\ndata: 1}\n\n: comment\n\nevent:c\ndata:d\n\nevent: e\n";
        let mut stream = ServerSent::default();
        let mut came = Vec::new();
        for byte in text {
            stream.add(&[*byte]);
            came.extend(stream.next());
        }
        let sent = |event: &str, data: &str| Sent { event: event.into(), data: data.into() };
        assert_eq!(came, [sent("a", "{\"b\":\n1}"), sent("c", "d")]);
    }
}
