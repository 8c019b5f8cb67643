//! The binary, spawned on free ports, and a client that speaks bytes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    missing_docs
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};
use tempfile::TempDir;

/// Longer than anything may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The server, which ends with the test.
pub struct Server {
    pub main: SocketAddr,
    pub management: SocketAddr,
    child: Child,
    out: Lines,
    err: Lines,
}

/// What a child has written so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maintenance-mode"));
    command.env_clear();
    command
}

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments, Stdio::piped())
    }

    pub fn start_at(listen: &str, arguments: &[&str], out: Stdio) -> Self {
        Self::start_by(command(), listen, arguments, out)
    }

    /// Started by a command that may wrap the binary.
    pub fn start_by(mut command: Command, listen: &str, arguments: &[&str], out: Stdio) -> Self {
        let mut child = command
            .args(["--listen", listen, "--management-listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().map(Lines::of).unwrap_or_default();
        let err = Lines::of(child.stderr.take().unwrap());
        let start = err.await_line("MANAGEMENT_LISTEN is ");
        let address = |name: &str| {
            let rest = start.split_once(&format!("{name} is ")).unwrap().1;
            rest.split([',', '"']).next().unwrap().trim().parse().unwrap()
        };
        Self { main: address(" LISTEN"), management: address("MANAGEMENT_LISTEN"), child, out, err }
    }

    pub fn get(&self, path: &str) -> Answer {
        Client::to(self.main).ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    pub fn metrics(&self) -> String {
        let answer = Client::to(self.management).ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    /// The value of a series.
    pub fn metric(&self, series: &str) -> u64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} in {text}")).parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn out(&self) -> &Lines {
        &self.out
    }

    pub fn err(&self) -> &Lines {
        &self.err
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(pipe: impl std::io::Read + Send + 'static) -> Self {
        let lines = Self::default();
        let kept = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                kept.0.lock().unwrap().push(line);
            }
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, part: &str) -> usize {
        self.all().iter().filter(|line| line.contains(part)).count()
    }

    pub fn await_line(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.all().into_iter().find(|line| line.contains(part)) {
                return line;
            }
            assert!(Instant::now() < until, "no line has {part:?}: {:?}", self.all());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One connection.
pub struct Client(pub BufReader<TcpStream>);

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// A client behind a small buffer and small packets: what the server's kernel takes ahead is small as well.
    pub fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_tcp_mss(536).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    pub fn ask(&mut self, request: &str) -> Answer {
        self.send(request.as_bytes());
        self.answer(request.starts_with("HEAD "))
    }

    /// The next answer. Panics on a reset: what is lost is what these tests look for.
    pub fn answer(&mut self, head_only: bool) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "the connection ended after {head:?}");
        }
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = if head_only { 0 } else { length.map_or(0, |it| it.parse().unwrap()) };
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, head, body }
    }

    /// Whether the other side has closed, with everything read.
    pub fn is_at_end(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }
}

/// A directory that goes away with the test.
pub struct Dir(TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn str(&self) -> &str {
        self.path().to_str().unwrap()
    }

    /// Writes a file in one step.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(".new"), text).unwrap();
        fs::rename(self.path().join(".new"), self.path().join(name)).unwrap();
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
