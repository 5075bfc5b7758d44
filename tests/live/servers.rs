//! Programs that a live test starts beside SIPp: tcpdump, Kamailio, rtpengine, baresip.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::common::{command, find_program, wait_for};
use crate::rng::Rng;

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// A child process with its own children; all of them end when it is dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program whose output goes to `NAME.log` in `folder`.
    pub fn start(folder: &Path, name: &str, command: &mut Command) -> Server {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).expect("a log");
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Server { child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("a log")).into_owned()
    }

    /// Polls until the log has `text`; fails when the program ends before.
    pub fn wait_for_log(&mut self, text: &str) {
        wait_for(text, || {
            let ended = self.child.try_wait().expect("the state of a child");
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.log());
            self.log().contains(text).then_some(())
        });
    }

    /// Asks it to end by `signal`: its exit status, and its log.
    pub fn end(mut self, signal: &str) -> (ExitStatus, String) {
        signal_process(signal, self.child.id());
        let status = wait_for("a child to end", || self.child.try_wait().expect("the state of a child"));
        (status, self.log())
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait_for("a child to end", || self.child.try_wait().expect("the state of a child"));
        (status, self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let deadline = Instant::now() + GRACE;
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
        if !ended(&mut self.child) {
            signal_process("CONT", self.child.id());
            signal_process("TERM", self.child.id());
        }
        while !ended(&mut self.child) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !ended(&mut self.child) {
            // Kamailio has children: the whole group, which is ours alone.
            let group = format!("-{}", self.child.id());
            let _ = Command::new("sh").args(["-c", "kill -KILL $0", &group]).status();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log());
        }
    }
}

/// Sends a signal by its name.
pub fn signal_process(signal: &str, process: u32) {
    let process = process.to_string();
    // Of a process that has just ended nobody wants to hear.
    Command::new("sh").args(["-c", "kill -$0 $1", signal, &process]).stderr(Stdio::null()).status().expect("sh runs");
}

/// tcpdump on the loopback, into a file.
pub struct Recording {
    tcpdump: Server,
    pub file: PathBuf,
}

impl Recording {
    pub fn start(folder: &Path, filter: &str) -> Recording {
        let file = folder.join("recording.pcap");
        let mut command = Command::new(find_program("tcpdump").expect("tcpdump"));
        // As root it would hand the file to a user of its own, who may not enter the folder.
        command.args(["-i", "lo", "-U", "-B", "8192", "-Z", "root", "-w"]).arg(&file).arg(filter);
        let mut tcpdump = Server::start(folder, "tcpdump", &mut command);
        tcpdump.wait_for_log("listening on");
        Recording { tcpdump, file }
    }

    /// Ends it; fails when packets were dropped.
    pub fn finish(self) -> PathBuf {
        let (status, log) = self.tcpdump.end("INT");
        assert!(
            status.success() && log.contains("\n0 packets dropped by kernel"),
            "tcpdump ended with {status}: {log}"
        );
        self.file
    }
}

/// Whether Kamailio has a module: one that scripts/setup unpacked, or an installed one.
pub fn has_kamailio_module(name: &str) -> bool {
    let unpacked = find_program("kamailio").expect("kamailio").with_file_name("../lib/kamailio/modules");
    let installed =
        fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|folder| folder.path().join("kamailio/modules"));
    installed.chain([unpacked]).any(|modules| modules.join(name).is_file())
}

/// Kamailio with one of the configurations here, in which `@NAME@` stands for a value.
pub fn start_kamailio(folder: &Path, configuration: &str, values: &[(&str, &str)]) -> Server {
    start_kamailio_in(None, folder, configuration, values)
}

/// The same in a network namespace.
pub fn start_kamailio_in(
    namespace: Option<&str>,
    folder: &Path,
    configuration: &str,
    values: &[(&str, &str)],
) -> Server {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live").join(configuration);
    let mut text = fs::read_to_string(shipped).expect("a shipped configuration");
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    let file = folder.join(configuration);
    fs::write(&file, text).expect("a configuration file");
    let program = find_program("kamailio").expect("kamailio");
    let mut command = command(&program, namespace);
    command.args(["-DD", "-E", "-f"]).arg(file).arg("-Y").arg(folder);
    // Where scripts/setup unpacked it; an installed one knows its modules.
    let unpacked = program.with_file_name("../lib/kamailio");
    if unpacked.is_dir() {
        command.env("LD_LIBRARY_PATH", &unpacked).arg("-L").arg(unpacked.join("modules"));
    }
    let mut kamailio = Server::start(folder, "kamailio", &mut command);
    kamailio.wait_for_log("Listening on");
    kamailio
}

/// rtpengine in user space: without its kernel module.
pub fn start_rtpengine(folder: &Path, control: SocketAddr, address: Ipv4Addr, ports: (u16, u16)) -> Server {
    let mut command = Command::new(find_program("rtpengine").expect("rtpengine"));
    command.args(["--table=-1", "--foreground", "--log-stderr", "--log-level=6", "--config-file=none"]);
    command.arg(format!("--listen-ng={control}")).arg(format!("--interface={address}"));
    command.arg(format!("--port-min={}", ports.0)).arg(format!("--port-max={}", ports.1));
    let mut rtpengine = Server::start(folder, &format!("rtpengine-{}", control.port()), command.arg("--num-threads=1"));
    rtpengine.wait_for_log("Startup complete");
    rtpengine
}

/// A baresip that has no sound card: it sends noise, and throws away what it hears.
pub struct Softphone<'a> {
    pub name: &'a str,
    pub sip: SocketAddr,
    /// RTP; RTCP is one above. The SIP port above is taken too, for TLS.
    pub media: u16,
    /// Further account parameters.
    pub account: &'a str,
}

impl Softphone<'_> {
    /// Starts it; with `dial` it calls that at once, else it answers.
    pub fn start(&self, folder: &Path, dial: Option<&str>) -> Server {
        self.start_at(folder, dial, (self.sip, "regint=0"), 2, "")
    }

    /// Starts one that registers at `home` with the password "secret", and takes commands at `control`.
    pub fn register(&self, folder: &Path, home: SocketAddr, control: SocketAddr) -> Server {
        let settings = format!("module_app ctrl_tcp.so\nctrl_tcp_listen {control}\n");
        // While a call is handed on there are two.
        self.start_at(folder, None, (home, "regint=60;auth_pass=secret"), 4, &settings)
    }

    fn start_at(
        &self,
        folder: &Path,
        dial: Option<&str>,
        (home, registers): (SocketAddr, &str),
        ports: u16,
        settings: &str,
    ) -> Server {
        let Softphone { name, sip, media, account } = self;
        let own = folder.join(name);
        fs::create_dir(&own).expect("a folder");
        let configuration = format!(
            "poll_method epoll\nsip_listen {sip}\nnet_interface {}\naudio_source aufile,{}\naudio_player aubridge,sink\n\
             audio_alert aubridge,alert\nrtp_ports {media}-{}\nrtcp_mux no\njitter_buffer_delay 1-10\n\
             module_path {}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule srtp.so\n\
             module_app account.so\nmodule_app contact.so\nmodule_app menu.so\n{settings}",
            sip.ip(),
            own.join("noise.wav").display(),
            media + ports - 1,
            baresip_modules().display(),
        );
        fs::write(own.join("config"), configuration).expect("a configuration");
        let answers = if dial.is_some() { "manual" } else { "auto" };
        let account =
            format!("<sip:{name}@{home}>;{registers};answermode={answers};audio_codecs=PCMA/8000/1{account}\n");
        fs::write(own.join("accounts"), account).expect("an account");
        fs::write(own.join("contacts"), "").expect("no contacts");
        fs::write(own.join("noise.wav"), noise(name)).expect("something to say");
        start_baresip(folder, name, dial)
    }
}

/// Two accounts of one baresip: what calls it is connected with `callee`, as by any back-to-back user agent.
pub fn start_b2bua(folder: &Path, sip: SocketAddr, media: (u16, u16), callee: SocketAddr) -> Server {
    let own = folder.join("b2bua");
    fs::create_dir(&own).expect("a folder");
    let configuration = format!(
        "poll_method epoll\nsip_listen {sip}\nnet_interface {}\ncall_max_calls 8\naudio_source aubridge,x\n\
         audio_player aubridge,x\naudio_alert aubridge,alert\nrtp_ports {}-{}\nrtcp_mux no\naudio_buffer 20-160\n\
         jitter_buffer_delay 1-10\nmodule_path {}\nmodule g711.so\nmodule aubridge.so\nmodule_app account.so\n\
         module_app contact.so\nmodule_app menu.so\nmodule_app b2bua.so\n",
        sip.ip(),
        media.0,
        media.1,
        baresip_modules().display(),
    );
    fs::write(own.join("config"), configuration).expect("a configuration");
    let account = |side: &str, rest: &str| {
        format!("<sip:{side}@{}>;regint=0;audio_codecs=PCMA/8000/1;b2bua={side}{rest}\n", sip.ip())
    };
    let accounts = account("inbound", "") + &account("outbound", &format!(";outbound=\"sip:{callee}\""));
    fs::write(own.join("accounts"), accounts).expect("accounts");
    fs::write(own.join("contacts"), "").expect("no contacts");
    start_baresip(folder, "b2bua", None)
}

fn start_baresip(folder: &Path, name: &str, dial: Option<&str>) -> Server {
    let mut command = Command::new(find_program("baresip").expect("baresip"));
    command.arg("-f").arg(folder.join(name));
    if let Some(whom) = dial {
        command.args(["-e", &format!("/dial {whom}")]);
    }
    let mut baresip = Server::start(folder, name, &mut command);
    baresip.wait_for_log("baresip is ready");
    baresip
}

/// A minute of noise that is nobody else's: 16 bits, 8 kHz, one channel (http://soundfile.sapp.org/doc/WaveFormat/).
fn noise(name: &str) -> Vec<u8> {
    const SAMPLES: u32 = 60 * 8000;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + 2 * SAMPLES).to_le_bytes());
    file.extend(b"WAVEfmt ");
    for field in [16, 0x0001_0001, 8000, 16_000, 0x0010_0002] {
        file.extend(u32::to_le_bytes(field));
    }
    file.extend(b"data");
    file.extend((2 * SAMPLES).to_le_bytes());
    let seed = name.bytes().fold(1, |seed, byte| seed * 31 + u64::from(byte));
    let mut rng = Rng::new(seed, 0);
    file.extend((0..SAMPLES).flat_map(|_| ((rng.next() >> 50) as i16 - 8192).to_le_bytes()));
    file
}

fn baresip_modules() -> PathBuf {
    let folder = Path::new("/usr/lib/baresip/modules");
    assert!(folder.is_dir(), "no modules of baresip in {}", folder.display());
    folder.to_owned()
}
