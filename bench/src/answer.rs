//! One answer as it comes from a socket, and whether another server's is the same.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// How long one answer may take; a peer that needs longer is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Headers that say something about the server or the connection and nothing about the page.
const OWN: [&str; 3] = ["connection", "date", "server"];

/// A header's name and value.
pub(crate) type Header = (&'static str, String);

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How another server's answer differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// What every server says of itself: told, and no obstacle.
    pub(crate) allowed: Vec<String>,
    /// Headers of the page that it lacks, has otherwise or has beside them.
    pub(crate) headers: Vec<String>,
    /// Another status or body.
    pub(crate) refused: Vec<String>,
}

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Connection {
    /// Connects, and asks with these headers from now on.
    pub(crate) fn open(address: SocketAddr, headers: &[Header]) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        // An answer's head and body fit, so that 4,096 of these stay small.
        Ok(Self { stream: BufReader::with_capacity(1024, stream), request: request.into_bytes() })
    }

    /// Asks once, and reads the whole answer.
    pub(crate) fn ask(&mut self) -> Result<Answer> {
        self.stream.get_mut().write_all(&self.request)?;
        Answer::read(&mut self.stream)
    }
}

impl Answer {
    /// Asks over a connection of its own.
    pub(crate) fn of(address: SocketAddr, headers: &[Header]) -> Result<Self> {
        Connection::open(address, headers)?.ask().with_context(|| format!("no answer from {address}"))
    }

    fn read(stream: &mut impl BufRead) -> Result<Self> {
        let status_line = line(stream)?;
        let mut words = status_line.splitn(3, ' ').skip(1);
        let status =
            words.next().and_then(|it| it.parse().ok()).with_context(|| format!("no status: {status_line:?}"))?;
        let reason = words.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let line = line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').with_context(|| format!("no header: {line:?}"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Self { status, reason, headers, body: Vec::new() };
        let Some(length) = answer.header("content-length") else { bail!("the answer has no Content-Length") };
        let length: usize = length.parse().with_context(|| format!("no Content-Length: {length:?}"))?;
        answer.body.resize(length, 0);
        stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// The first header of that name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The headers that belong to the page.
    pub(crate) fn page_headers(&self) -> impl Iterator<Item = &(String, String)> {
        self.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str()))
    }

    /// The head as it was received, for the floor.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// How `other` differs from this.
    pub(crate) fn differences(&self, other: &Self) -> Differences {
        let mut differences = Differences::default();
        if self.status != other.status {
            differences.refused.push(format!("status {}", other.status));
        }
        if self.reason != other.reason {
            differences.allowed.push(format!("reason {:?}", other.reason));
        }
        for name in OWN.into_iter().filter(|it| *it != "date") {
            match (self.header(name), other.header(name)) {
                (mine, theirs) if mine == theirs => {}
                (_, Some(theirs)) => differences.allowed.push(format!("{name}: {theirs}")),
                (Some(_), None) => differences.allowed.push(format!("no {name}")),
                (None, None) => {}
            }
        }
        if self.header("date").is_some() != other.header("date").is_some() {
            differences.allowed.push(if other.header("date").is_some() { "date" } else { "no date" }.to_owned());
        }
        let mut theirs: Vec<_> = other.page_headers().collect();
        let in_order: Vec<_> = self.page_headers().collect();
        for mine in self.page_headers() {
            match theirs.iter().position(|it| *it == mine) {
                Some(at) => _ = theirs.remove(at),
                None => differences.headers.push(format!("no {}: {}", mine.0, mine.1)),
            }
        }
        differences.headers.extend(theirs.iter().map(|(name, value)| format!("{name}: {value}")));
        if differences.headers.is_empty() && in_order != other.page_headers().collect::<Vec<_>>() {
            differences.allowed.push("the order of headers".to_owned());
        }
        if self.body != other.body {
            differences.refused.push(format!("a body of {} bytes, not the same {}", other.body.len(), self.body.len()));
        }
        differences
    }
}

/// One line, without its end.
fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.take(64 * 1024).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => bail!("the connection ended within the head"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Answer> {
        Answer::read(&mut text.as_bytes())
    }

    const PAGE: &str = "HTTP/1.1 503 Service Unavailable\r\nVary: a\r\ncontent-length: 2\r\ndate: x\r\n\r\nok";

    #[test]
    fn an_answer_is_read_whole_and_nothing_beyond_it() {
        let read = answer(&format!("{PAGE}more")).unwrap();
        assert_eq!((read.status, read.reason.as_str(), read.body.as_slice()), (503, "Service Unavailable", &b"ok"[..]));
        assert_eq!(read.header("vary"), Some("a"));
        assert_eq!(read.head(), "HTTP/1.1 503 Service Unavailable\r\nvary: a\r\ncontent-length: 2\r\ndate: x\r\n\r\n");
    }

    #[test]
    fn what_is_cut_off_or_has_no_length_is_an_error() {
        for text in
            ["", "HTTP/1.1 503 x\r\n", "HTTP/1.1 503 x\r\n\r\n", "HTTP/1.1 503 x\r\ncontent-length: 3\r\n\r\nok"]
        {
            assert!(answer(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_same_page_from_another_server_differs_only_in_what_is_its_own() {
        let theirs = "HTTP/1.1 503 Busy\r\nServer: nginx\r\nContent-Length: 2\r\nVary: a\r\nDate: y\r\n\r\nok";
        let differences = answer(PAGE).unwrap().differences(&answer(theirs).unwrap());
        assert_eq!(differences.allowed, ["reason \"Busy\"", "server: nginx", "the order of headers"]);
        assert_eq!((differences.headers, differences.refused), (vec![], vec![]));
    }

    #[test]
    fn another_status_header_or_body_is_refused() {
        let theirs = "HTTP/1.1 200 Service Unavailable\r\nContent-Length: 2\r\nVary: b\r\nDate: y\r\n\r\nno";
        let differences = answer(PAGE).unwrap().differences(&answer(theirs).unwrap());
        assert_eq!(differences.headers, ["no vary: a", "vary: b"]);
        assert_eq!(differences.refused, ["status 200", "a body of 2 bytes, not the same 2"]);
    }
}
