//! The listener for mirrored packets, as a program of its own: `sidetone run` without any interface, fed over UDP, TCP and TLS.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "support/hep.rs"]
mod hep;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Agent, Samples, free_tcp_port, wait_for};
use hep::Mirror;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn mirror() -> Mirror<'static> {
    Mirror::sip(address("192.0.2.10:5060"), address("192.0.2.20:5060"), now())
}

fn options(id: &str, transport: &str) -> Vec<u8> {
    format!(
        "OPTIONS sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/{transport} 192.0.2.10;branch=z9hG4bK{id}\r\n\
         From: <sip:a@example.net>;tag=a\r\nTo: <sip:b@example.net>\r\nCall-ID: {id}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn packet(id: &str) -> Vec<u8> {
    mirror().version_3(15, &options(id, "UDP"))
}

/// A UDP port that is free now.
fn free_udp_port() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a free port")
}

/// An agent that captures nothing.
struct Fed {
    agent: Agent,
    udp: SocketAddr,
    tcp: SocketAddr,
    folder: tempfile::TempDir,
}

/// Starts it with these lines in `[hep]`, besides its UDP and TCP addresses.
fn feed(folder: tempfile::TempDir, lines: &str) -> Fed {
    let (web, udp, tcp) = (free_tcp_port(), free_udp_port(), free_tcp_port());
    let configuration = format!(
        "[web]\nlisten_address = \"{web}\"\n[capture]\ninterfaces = [\"none\"]\n\
         [hep]\nlisten_udp = \"{udp}\"\nlisten_tcp = \"{tcp}\"\n{lines}\n"
    );
    Fed { agent: Agent::start(folder.path(), web, &configuration), udp, tcp, folder }
}

fn plainly() -> Fed {
    feed(tempfile::tempdir().expect("a folder"), "")
}

impl Fed {
    fn send(&self, packet: &[u8]) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.send_to(packet, self.udp).expect("sent");
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp).expect("a connection");
        stream.set_read_timeout(Some(common::PATIENCE)).expect("a time-out");
        stream
    }

    /// Waits until so many packets were taken or refused.
    fn after(&self, packets: f64) -> Samples {
        self.agent.wait_for_metrics(&format!("{packets} packets"), |now| {
            now.sum("hep_packets_total", &[]) + now.sum("hep_rejected_packets_total", &[]) >= packets
        })
    }

    fn after_the_end_of(&self, reason: &str, count: f64) -> Samples {
        let labels = [("reason", reason)];
        self.agent.wait_for_metrics(reason, |now| now.sum("hep_connections_closed_total", &labels) >= count)
    }
}

/// Whether the other end closed the connection.
fn is_closed(mut stream: impl Read) -> bool {
    !matches!(stream.read(&mut [0; 16]), Ok(1..))
}

#[test]
fn every_version_over_udp_without_any_interface() {
    let fed = plainly();
    let tls = Mirror { ip_protocol: 22, ..mirror() };
    fed.send(&mirror().classic(1, &options("one", "UDP")));
    fed.send(&mirror().classic(2, &options("two", "UDP")));
    fed.send(&tls.version_3(15, &options("three", "TLS")));
    fed.send(&Mirror { ip_protocol: 6, ..mirror() }.version_3(15, &options("four", "WSS")));
    fed.send(&Mirror { kind: 100, ..mirror() }.version_3(15, b"a line of a log"));
    fed.send(b"no HEP at all");
    let samples = fed.after(6.0);
    for (version, count) in [("1", 1.0), ("2", 1.0), ("3", 3.0)] {
        assert_eq!(samples.sum("hep_packets_total", &[("version", version)]), count, "version {version}");
    }
    for (transport, count) in [("udp", 2.0), ("tls", 1.0), ("wss", 1.0)] {
        let labels = [("transport", transport), ("method", "OPTIONS")];
        assert_eq!(samples.sum("sip_requests_total", &labels), count, "{transport}");
    }
    assert_eq!(samples.sum("hep_rejected_packets_total", &[("reason", "version")]), 1.0);
    assert_eq!(samples.sum("hep_skewed_packets_total", &[]), 0.0);
    let of_hep = [("interface", "hep")];
    assert_eq!(samples.sum("capture_packets_total", &of_hep), 5.0);
    assert_eq!(samples.sum("capture_packets_total", &[]), 5.0);
    assert_eq!(samples.sum("capture_interface_up", &of_hep), 1.0);
    let arrived = samples.sum("capture_last_packet_timestamp_seconds", &of_hep);
    assert!((now() as f64 / 1e9 - arrived).abs() < 60.0, "the last packet came at {arrived}");
}

#[test]
fn a_stream_is_read_however_it_is_cut() {
    let fed = plainly();
    let mut whole = Vec::new();
    for n in 0..40 {
        whole.extend(packet(&format!("stream-{n}")));
    }
    let mut together = fed.connect();
    together.write_all(&whole).expect("sent");
    let mut bytewise = fed.connect();
    bytewise.set_nodelay(true).expect("a socket option");
    for byte in whole.chunks(1).take(2 * packet("stream-0").len() + 3) {
        bytewise.write_all(byte).expect("sent");
    }
    let mut odd = fed.connect();
    odd.set_nodelay(true).expect("a socket option");
    for part in whole.chunks(97) {
        odd.write_all(part).expect("sent");
    }
    let samples = fed.after(82.0);
    assert_eq!(samples.sum("hep_packets_total", &[("version", "3"), ("content", "sip")]), 82.0);
    assert_eq!(samples.sum("hep_rejected_packets_total", &[]), 0.0);
    assert_eq!(samples.sum("hep_connections", &[]), 3.0);
    drop((together, bytewise, odd));
    let samples = fed.after_the_end_of("peer", 3.0);
    assert_eq!(samples.sum("hep_connections", &[]), 0.0);
}

#[test]
fn what_is_no_stream_of_hep_3_ends_the_connection() {
    let fed = feed(tempfile::tempdir().expect("a folder"), "max_packet_size = 4096");
    let long = mirror().version_3(15, &[b'x'; 5000]);
    for wrong in [mirror().classic(2, &options("two", "TCP")), b"GET / HTTP/1.1\r\n\r\n".to_vec(), long.clone()] {
        let mut stream = fed.connect();
        // The first is good: it counts, whatever comes behind it.
        stream.write_all(&[packet("good"), wrong].concat()).expect("sent");
        assert!(is_closed(stream));
    }
    fed.send(&long);
    let samples = fed.after(7.0);
    assert_eq!(samples.sum("hep_packets_total", &[]), 3.0);
    assert_eq!(samples.sum("hep_rejected_packets_total", &[("reason", "version")]), 2.0);
    assert_eq!(samples.sum("hep_rejected_packets_total", &[("reason", "too_long")]), 2.0);
    assert_eq!(samples.sum("hep_connections_closed_total", &[("reason", "malformed")]), 3.0);
    // A packet that is wrong only inside does not lose the ones behind it.
    let broken = [b"HEP3\0\x10\0\0\0\x01\0\x05????".to_vec(), packet("behind")].concat();
    fed.connect().write_all(&broken).expect("sent");
    assert_eq!(fed.after(9.0).sum("hep_packets_total", &[]), 4.0);
}

#[test]
fn connections_are_bounded_in_number_and_time() {
    let fed = feed(tempfile::tempdir().expect("a folder"), "max_connections = 2\nidle_timeout = \"2s\"");
    let began = Instant::now();
    let (mut slow, idle) = (fed.connect(), fed.connect());
    slow.write_all(&packet("slow")[..20]).expect("sent");
    fed.agent.wait_for_metrics("two connections", |now| now.sum("hep_connections", &[]) == 2.0);
    assert!(is_closed(fed.connect()), "a third connection is refused");
    assert!(is_closed(idle));
    assert!(began.elapsed() >= Duration::from_millis(1900), "idle for {:?} only", began.elapsed());
    // A byte now and then does not make a packet come to its end.
    let ended = wait_for("the slow one to be cut off", || {
        slow.write_all(b"\0").and_then(|()| slow.write_all(b"\0")).is_err().then(|| began.elapsed())
    });
    assert!((9..30).contains(&ended.as_secs()), "cut off after {ended:?}");
    let samples = fed.after_the_end_of("stalled", 1.0);
    for (reason, count) in [("limit", 1.0), ("idle", 1.0), ("stalled", 1.0)] {
        assert_eq!(samples.sum("hep_connections_closed_total", &[("reason", reason)]), count, "{reason}");
    }
    assert_eq!(samples.sum("hep_connections", &[]), 0.0);
    // There is room again.
    let mut next = fed.connect();
    next.write_all(&packet("next")).expect("sent");
    fed.after(1.0);
}

#[test]
fn only_with_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, "new key\n").expect("a file");
    let fed = feed(folder, &format!("auth_key = \"myHep\"\nauth_key_file = \"{}\"", file.display()));
    for key in [None, Some(&b""[..]), Some(b"myHe"), Some(b"myHep2"), Some(b"new key\n")] {
        fed.send(&Mirror { key, ..mirror() }.version_3(15, &options("wrong", "UDP")));
    }
    fed.send(&mirror().classic(2, &options("no key in version 2", "UDP")));
    for key in [&b"myHep"[..], b"new key"] {
        fed.send(&Mirror { key: Some(key), ..mirror() }.version_3(15, &options("right", "UDP")));
    }
    let samples = fed.after(8.0);
    assert_eq!(samples.sum("hep_rejected_packets_total", &[("reason", "authentication")]), 6.0);
    assert_eq!(samples.sum("hep_packets_total", &[]), 2.0);
    assert!(!fed.agent.log().contains("myHep") && !fed.agent.log().contains("new key"), "{}", fed.agent.log());
}

#[test]
fn only_from_where_it_is_allowed() {
    let fed = feed(tempfile::tempdir().expect("a folder"), "allowed_networks = [\"127.0.0.2\"]");
    fed.send(&packet("refused"));
    assert!(is_closed(fed.connect()));
    let allowed = UdpSocket::bind(("127.0.0.2", 0)).expect("a socket");
    allowed.send_to(&packet("taken"), fed.udp).expect("sent");
    let samples = fed.after(2.0);
    assert_eq!(samples.sum("hep_rejected_packets_total", &[("reason", "not_allowed")]), 1.0);
    assert_eq!(samples.sum("hep_connections_closed_total", &[("reason", "not_allowed")]), 1.0);
    assert_eq!(samples.sum("hep_packets_total", &[]), 1.0);
}

/// What was sent is taken, refused, or counted where it was lost: at the queue, or by UDP in the kernel.
#[test]
fn floods_are_counted_to_the_last_packet() {
    const MIRRORS: usize = 8;
    const PACKETS: usize = 20_000;
    const NOISE: u32 = 100_000;
    let fed = plainly();
    std::thread::scope(|scope| {
        for mirror in 0..MIRRORS {
            let fed = &fed;
            scope.spawn(move || {
                let mut stream = fed.connect();
                let many: Vec<u8> = (0..100).flat_map(|n| packet(&format!("flood-{mirror}-{n}"))).collect();
                for _ in 0..PACKETS / 100 {
                    stream.write_all(&many).expect("sent");
                }
            });
        }
        let noise = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        for n in 0..NOISE {
            noise.send_to(&n.to_be_bytes(), fed.udp).expect("sent");
        }
    });
    let all = (MIRRORS * PACKETS) as f64;
    let of_queue = [("interface", "hep"), ("where", "queue")];
    let samples = fed.agent.wait_for_metrics("the flood to be over", |now| {
        let noise = now.sum("hep_rejected_packets_total", &[])
            + now.sum("capture_dropped_packets_total", &[("interface", "hep"), ("where", "kernel")]);
        now.sum("hep_packets_total", &[]) + now.sum("capture_dropped_packets_total", &of_queue) >= all
            && noise >= f64::from(NOISE)
    });
    let (taken, dropped) =
        (samples.sum("hep_packets_total", &[]), samples.sum("capture_dropped_packets_total", &of_queue));
    let refused = samples.sum("hep_rejected_packets_total", &[("reason", "version")]);
    let lost = samples.sum("capture_dropped_packets_total", &[("interface", "hep"), ("where", "kernel")]);
    println!("{taken} taken, {dropped} dropped; of the noise {refused} refused, {lost} lost in the kernel");
    assert_eq!(taken + dropped, all);
    assert_eq!(refused + lost, f64::from(NOISE));
    assert!(taken > 0.0 && refused > 0.0);
    assert_eq!(samples.sum("sip_requests_total", &[]), taken);
    let memory = samples.sum("process_resident_memory_bytes", &[]);
    assert!(memory < 200e6, "{memory} bytes");
}

/// While the agent stands still, the kernel keeps what it has room for, and drops the rest.
#[test]
fn what_the_kernel_drops_is_counted() {
    const SENT: u32 = 20_000;
    let fed = plainly();
    let signal = |name: &str| {
        let done = Command::new("sh").args(["-c", "kill -$0 $1", name, &fed.agent.id().to_string()]).status();
        assert!(done.expect("sh runs").success());
    };
    signal("STOP");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let packet = packet("again and again");
    for _ in 0..SENT {
        socket.send_to(&packet, fed.udp).expect("sent");
    }
    signal("CONT");
    let lost =
        |now: &Samples, place| now.sum("capture_dropped_packets_total", &[("interface", "hep"), ("where", place)]);
    let samples = fed.agent.wait_for_metrics("all of it", |now| {
        now.sum("hep_packets_total", &[]) + lost(now, "kernel") + lost(now, "queue") >= f64::from(SENT)
    });
    let (kept, dropped) = (samples.sum("hep_packets_total", &[]) + lost(&samples, "queue"), lost(&samples, "kernel"));
    assert_eq!(kept + dropped, f64::from(SENT));
    assert!(kept > 0.0 && dropped > 0.0, "{kept} kept, {dropped} dropped");
}

/// An authority, and what it signed for a name.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    fn signed(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }

    /// Writes certificate and key of a server, and the authority's own certificate.
    fn write(&self, folder: &Path) {
        let (certificate, key) = self.signed("localhost");
        for (name, pem) in
            [("server.crt", certificate.pem()), ("server.key", key.serialize_pem()), ("ca.crt", self.0.pem())]
        {
            std::fs::write(folder.join(name), pem).expect("a file");
        }
    }

    /// A client that knows this authority, with a certificate of `own` if there is one.
    fn client(&self, own: Option<&Authority>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.0.der().to_vec())).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match own.map(|own| own.signed("mirror")) {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).expect("a certificate of ours")
            }
        })
    }
}

/// An agent with TLS; `{folder}` in the lines is its folder.
fn feed_by_tls(authority: &Authority, lines: &str) -> (Fed, SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    authority.write(folder.path());
    let tls = free_tcp_port();
    let files = "certificate_file = \"{folder}/server.crt\"\nkey_file = \"{folder}/server.key\"";
    let lines =
        format!("listen_tls = \"{tls}\"\n{files}\n{lines}").replace("{folder}", &folder.path().to_string_lossy());
    (feed(folder, &lines), tls)
}

fn send_by_tls(to: SocketAddr, client: Arc<ClientConfig>, parts: &[&[u8]]) -> std::io::Result<()> {
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(client, name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(to)?);
    for part in parts {
        stream.write_all(part)?;
        stream.flush()?;
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    // A refusal of our certificate comes only now (RFC 8446 section 4.4.2.4).
    stream.read(&mut [0; 16]).map(|_| ())
}

#[test]
fn over_tls() {
    let authority = Authority::new();
    let (fed, tls) = feed_by_tls(&authority, "");
    let packets = [packet("a"), packet("b"), packet("c")].concat();
    let (one, two) = packets.split_at(packets.len() / 2 + 7);
    send_by_tls(tls, authority.client(None), &[one, two]).expect("sent");
    assert_eq!(fed.after(3.0).sum("hep_packets_total", &[("content", "sip")]), 3.0);
    send_by_tls(tls, Authority::new().client(None), &[&packets])
        .expect_err("a client that does not know the authority");
    let mut plain = TcpStream::connect(tls).expect("a connection");
    plain.write_all(&packets).expect("sent");
    let samples = fed.after_the_end_of("handshake", 2.0);
    assert_eq!(samples.sum("hep_packets_total", &[]), 3.0);
}

#[test]
fn over_tls_with_certificates_of_the_mirrors() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let (fed, tls) = feed_by_tls(&authority, "client_ca_file = \"{folder}/ca.crt\"");
    let packet = packet("known");
    send_by_tls(tls, authority.client(None), &[&packet]).expect_err("without a certificate");
    send_by_tls(tls, authority.client(Some(&strangers)), &[&packet]).expect_err("with one of somebody else");
    send_by_tls(tls, authority.client(Some(&authority)), &[&packet]).expect("sent");
    let samples = fed.after(1.0);
    assert_eq!(samples.sum("hep_packets_total", &[]), 1.0);
    assert_eq!(samples.sum("hep_connections_closed_total", &[("reason", "handshake")]), 2.0);
    assert!(fed.folder.path().join("ca.crt").is_file());
}

fn sidetone(command: &str, configuration: &Path) -> Output {
    Command::new(common::agent_binary()).args([command, "--config"]).arg(configuration).output().expect("it runs")
}

/// What is wrong with files that the section names is said before anything is listened to.
#[test]
fn bad_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    Authority::new().write(path);
    std::fs::write(path.join("empty"), " \n").expect("a file");
    let (mine, other) = (path.join("server.crt"), Authority::new());
    let (_, stranger) = other.signed("localhost");
    std::fs::write(path.join("other.key"), stranger.serialize_pem()).expect("a file");
    let tls = |certificate: &str, key: &str| {
        format!("listen_tls = \"127.0.0.1:0\"\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\"")
    };
    let file = |name: &str| path.join(name).display().to_string();
    for (lines, said) in [
        (tls(&file("absent"), &file("server.key")), "`hep.certificate_file` names it"),
        (tls(&file("empty"), &file("server.key")), "holds no certificate in PEM"),
        (tls(&file("server.crt"), &file("server.crt")), "holds no private key in PEM"),
        (tls(&file("server.crt"), &file("other.key")), "certificate and key for HEP over TLS do not do"),
        (
            format!("{}\nclient_ca_file = \"{}\"", tls(&file("server.crt"), &file("server.key")), file("empty")),
            "client_ca_file",
        ),
        (format!("auth_key_file = \"{}\"", file("absent")), "`hep.auth_key_file` names it"),
        (format!("auth_key_file = \"{}\"", file("empty")), "is empty"),
    ] {
        let configuration = path.join("sidetone.toml");
        let text = format!(
            "[web]\nlisten_address = \"127.0.0.1:0\"\n[capture]\ninterfaces = [\"none\"]\n\
             [hep]\nlisten_udp = \"127.0.0.1:0\"\n{lines}\n"
        );
        std::fs::write(&configuration, text).expect("a file");
        for command in ["check", "run"] {
            let output = sidetone(command, &configuration);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && errors.contains(said), "{command} with\n{lines}\nsays\n{errors}");
        }
    }
    assert!(mine.is_file());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = taken.local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = folder.path().join("sidetone.toml");
    let text = format!(
        "[web]\nlisten_address = \"127.0.0.1:0\"\n[capture]\ninterfaces = [\"none\"]\n[hep]\nlisten_udp = \"{address}\"\n"
    );
    std::fs::write(&configuration, text).expect("a file");
    let output = sidetone("run", &configuration);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(&format!("cannot listen for HEP on udp {address}")), "{errors}");
}
