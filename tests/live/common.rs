//! What the live tests share: whether they can run, ports of their own, the agent as a child process, HTTP and samples.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that a loaded machine delays.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a live test can run here: as root, with these programs. Says why not.
pub fn can_run(programs: &[&str]) -> bool {
    let mut missing: Vec<String> =
        programs.iter().filter(|name| find_program(name).is_none()).map(|name| format!("no {name} here")).collect();
    // The owner of a process's folder is its effective user (proc(5)).
    if fs::metadata("/proc/self").expect("/proc").uid() != 0 {
        missing.push("not root".to_owned());
    }
    if !missing.is_empty() {
        skip(&missing.join(", "));
    }
    missing.is_empty()
}

/// Says why a test does nothing; fails instead when SIDETONE_REQUIRE_LIVE=1.
pub fn skip(reason: &str) {
    let required = std::env::var("SIDETONE_REQUIRE_LIVE").is_ok_and(|value| value == "1");
    assert!(!required, "SIDETONE_REQUIRE_LIVE=1, but: {reason}");
    println!("SKIPPED: {}: {reason}", std::thread::current().name().unwrap_or("a test"));
}

/// A program of PATH, or one that scripts/setup unpacked.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin");
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", unpacked].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The agent's binary; SIDETONE_BIN stands for another build of it.
pub fn agent_binary() -> PathBuf {
    std::env::var_os("SIDETONE_BIN").or(option_env!("CARGO_BIN_EXE_sidetone").map(Into::into)).expect("a binary").into()
}

/// Runs a program, in a network namespace where one is named.
pub fn command(program: &Path, namespace: Option<&str>) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new(find_program("ip").expect("ip"));
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// Polls until `poll` gives a value; fails with `what` when it takes too long.
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        sleep(Duration::from_millis(100));
    }
}

/// Ports that no other live test uses as long as this lives, in this process or another one.
pub struct PortBlock {
    first: u16,
    // Bound to the block's first port: who cannot bind it takes another block.
    _lock: UdpSocket,
}

impl PortBlock {
    const SIZE: u16 = 500;

    /// Below the kernel's ephemeral ports (32768 and up).
    pub fn claim() -> Self {
        (10_000..32_000)
            .step_by(usize::from(Self::SIZE))
            .find_map(|first| {
                UdpSocket::bind((Ipv4Addr::LOCALHOST, first)).ok().map(|lock| PortBlock { first, _lock: lock })
            })
            .expect("a free block of ports")
    }

    /// The `n`th of 19 SIP ports.
    pub fn sip(&self, n: u16) -> u16 {
        self.first + 1 + n
    }

    /// The first of 80 media ports for the `n`th of 6 programs.
    pub fn media(&self, n: u16) -> u16 {
        self.first + 20 + 80 * n
    }

    /// The configuration's ranges: SIP, media.
    pub fn ranges(&self) -> (String, String) {
        (
            format!("{}-{}", self.first + 1, self.first + 19),
            format!("{}-{}", self.first + 20, self.first + Self::SIZE - 1),
        )
    }
}

/// A TCP port that is free now.
pub fn free_tcp_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Agent {
    /// Starts an agent with `configuration` (whose web address is `address`) and waits until it is ready.
    pub fn start(folder: &Path, address: SocketAddr, configuration: &str) -> Self {
        Self::start_in(None, folder, address, configuration)
    }

    /// The same in a network namespace.
    pub fn start_in(namespace: Option<&str>, folder: &Path, address: SocketAddr, configuration: &str) -> Self {
        let mut agent = Self::spawn_by(command(&agent_binary(), namespace), folder, address, configuration);
        wait_for("the agent to be ready", || {
            let ended = agent.child.try_wait().expect("the agent's state");
            assert!(ended.is_none(), "the agent ended with {ended:?}: {}", agent.log());
            http_get(address, "/-/ready", &[]).ok().filter(|answer| answer.status == 200)
        });
        agent
    }

    /// Starts an agent without waiting.
    pub fn spawn(folder: &Path, address: SocketAddr, configuration: &str) -> Self {
        Self::spawn_by(Command::new(agent_binary()), folder, address, configuration)
    }

    fn spawn_by(mut program: Command, folder: &Path, address: SocketAddr, configuration: &str) -> Self {
        let file = folder.join(format!("agent-{}.toml", address.port()));
        let log = file.with_extension("log");
        fs::write(&file, configuration).expect("a configuration file");
        let child = program
            .args(["run", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the agent starts");
        Agent { child, address, log }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the agent logged until now.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the agent's log")
    }

    /// Everything at /metrics, as text 0.0.4.
    pub fn metrics(&self) -> Samples {
        let answer = http_get(self.address, "/metrics", &[]).expect("/metrics answers");
        assert_eq!(answer.status, 200);
        Samples::parse(&answer.text())
    }

    /// Waits until all calls are over and so many streams; nothing may have been dropped.
    pub fn wait_for_the_end(&self, streams: f64) -> Samples {
        let end = self.wait_for_metrics("all calls and streams to be over", |now| {
            now.sum("rtp_streams_started_total", &[]) >= streams
                && now.sum("rtp_streams_active", &[]) == 0.0
                && now.sum("call_active", &[]) == 0.0
        });
        assert_eq!(end.sum("capture_dropped_packets_total", &[]), 0.0);
        assert_eq!(end.sum("rtp_streams_started_total", &[]), streams);
        end
    }

    /// Polls /metrics until `done` holds.
    pub fn wait_for_metrics(&self, what: &str, done: impl Fn(&Samples) -> bool) -> Samples {
        wait_for(what, || Some(self.metrics()).filter(&done))
    }

    /// Waits until the agent ends by itself: its exit status, and its log.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait_for("the agent to end", || self.child.try_wait().expect("the agent's state"));
        (status, self.log())
    }

    /// SIGTERM: the exit status, and how long it took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let kill = Command::new("sh").args(["-c", "kill -TERM $0", &self.child.id().to_string()]).status();
        assert!(kill.expect("sh runs").success());
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the agent's state") {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "the agent ignores SIGTERM: {}", self.log());
            sleep(Duration::from_millis(5));
        };
        (status, start.elapsed())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the agent's log ---\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// An HTTP answer.
pub struct Answer {
    pub status: u16,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// GET over a connection of its own (RFC 9112).
pub fn http_get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all((request + "\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse_answer(&bytes).ok_or_else(|| std::io::Error::new(ErrorKind::InvalidData, "no HTTP answer"))
}

fn parse_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        body = join_chunks(&body)?;
    }
    Some(Answer { status, headers, body })
}

fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}

/// The samples of an exposition.
#[derive(Debug)]
pub struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Samples {
    /// Panics on a line that is neither comment nor sample.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Samples(lines.map(|line| parse_sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect())
    }

    fn matching<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        let fits =
            |sample: &Sample| labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value));
        self.0.iter().filter(move |sample| sample.name == name && fits(sample))
    }

    /// The sum over the samples called `name` that have all of `labels`; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// The one sample called `name` that has all of `labels`.
    pub fn one(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut matching = self.matching(name, labels);
        let first = matching.next().map(|sample| sample.value);
        assert!(matching.next().is_none(), "more than one {name} {labels:?}");
        first
    }

    /// The samples called `name`, summed by the value of `label`, without zeros.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        self.by_where(name, &[], label)
    }

    /// The same of the samples that have all of `labels`.
    pub fn by_where(&self, name: &str, labels: &[(&str, &str)], label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.matching(name, labels) {
            *sums.entry(sample.labels.get(label).cloned().unwrap_or_default()).or_insert(0.0) += sample.value;
        }
        sums.retain(|_, value| *value != 0.0);
        sums
    }
}

// The labels here are names and words: none has a comma, a brace or an escaped quote.
fn parse_sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}')?.split(',').filter(|pair| !pair.is_empty());
    let labels = labels
        .map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())))
        .collect::<Option<_>>()?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}
