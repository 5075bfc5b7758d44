//! Probes against real servers: Prometheus, node_exporter behind TLS, dnsmasq, Kamailio; beside Debian's blackbox_exporter. And against
//! servers that lie, hang and never end.

#[path = "live/certificates.rs"]
mod certificates;
#[path = "live/common.rs"]
mod common;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{Agent, Samples};
use servers::Server;

fn program(name: &str) -> Command {
    Command::new(common::find_program(name).expect("can_run has looked for it"))
}

fn listening(what: &str, address: SocketAddr) {
    common::wait_for(what, || TcpStream::connect(address).ok());
}

/// A Prometheus that scrapes nothing: it redirects from its root, and answers queries with JSON.
fn prometheus(folder: &Path) -> (Server, SocketAddr) {
    let address = common::free_tcp_port();
    fs::write(folder.join("prometheus.yml"), "{}").expect("a file");
    let mut command = program("prometheus");
    command
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={address}"));
    let server = Server::start(folder, "prometheus", &mut command);
    common::wait_for("prometheus", || {
        common::http_get(address, "/-/ready", &[]).ok().filter(|answer| answer.status == 200)
    });
    (server, address)
}

/// A node_exporter behind TLS with the certificate of this name.
fn encrypted(folder: &Path, name: &str) -> (Server, SocketAddr) {
    let address = common::free_tcp_port();
    let file = format!("{name}.yml");
    let tls = format!("tls_server_config: {{cert_file: {name}.crt, key_file: {name}.key}}\n");
    fs::write(folder.join(&file), tls).expect("a file");
    let mut command = program("prometheus-node-exporter");
    command.args(["--collector.disable-defaults", "--collector.time"]);
    command.arg(format!("--web.config.file={file}")).arg(format!("--web.listen-address={address}"));
    let server = Server::start(folder, name, &mut command);
    listening(name, address);
    (server, address)
}

/// A name server that knows one name.
fn dnsmasq(folder: &Path) -> (Server, SocketAddr) {
    let address = common::free_tcp_port();
    let mut command = program("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--user=root",
        "--bind-interfaces",
    ]);
    command
        .args(["--listen-address=127.0.0.1", "--pid-file=", "--log-facility=-"])
        .arg(format!("--port={}", address.port()));
    command.args([
        "--address=/sip.example/192.0.2.7",
        "--address=/sip.example/2001:db8::7",
        "--srv-host=_sip._udp.example,sip.example,5060",
    ]);
    let server = Server::start(folder, "dnsmasq", &mut command);
    listening("dnsmasq", address);
    (server, address)
}

fn kamailio(folder: &Path) -> (Server, SocketAddr, SocketAddr) {
    let (plain, tls) = (common::free_tcp_port(), common::free_tcp_port());
    let values = [("PLAIN", plain.to_string()), ("TLS", tls.to_string()), ("FOLDER", folder.display().to_string())];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = servers::start_kamailio(folder, "kamailio_options.cfg", &values);
    listening("kamailio", tls);
    (server, plain, tls)
}

/// A `[[probes]]` section.
fn probe(name: &str, kind: &str, target: &str, more: &str) -> String {
    format!(
        "[[probes]]\nname = \"{name}\"\nkind = \"{kind}\"\ntarget = \"{target}\"\ninterval = \"5s\"\ntimeout = \"2s\"\n{more}\n"
    )
}

fn start(folder: &Path, probes: &str) -> (Agent, SocketAddr) {
    let address = common::free_tcp_port();
    let capture = "[capture]\ninterfaces = [\"lo\"]\nsip_ports = [9]\nmedia_ports = [9]\n[log]\nlevel = \"debug\"\n";
    (Agent::start(folder, address, &format!("[web]\nlisten_address = \"{address}\"\n{capture}{probes}")), address)
}

/// Waits until each of these probes has said something.
fn all_asked(agent: &Agent, probes: &str) -> Samples {
    let all = probes.matches("[[probes]]").count();
    agent.wait_for_metrics("all probes", |samples| samples.by("probe_attempts_total", "probe").len() == all)
}

#[track_caller]
fn value(samples: &Samples, family: &str, probe: &str) -> f64 {
    samples.sum(family, &[("probe", probe)])
}

#[test]
fn real_services_are_asked() {
    let needs = ["prometheus", "prometheus-node-exporter", "dnsmasq", "kamailio"];
    if !common::can_run(&needs) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    certificates::write(folder);
    let (_prometheus, web) = prometheus(folder);
    let (_good, good) = encrypted(folder, "good");
    let (_expired, expired) = encrypted(folder, "expired");
    let (_self, own) = encrypted(folder, "self");
    let (_dnsmasq, dns) = dnsmasq(folder);
    let (_kamailio, sip, sips) = kamailio(folder);
    let ca = format!("ca_file = \"{}\"", folder.join("ca.crt").display());
    let https = |address: SocketAddr| format!("https://localhost:{}/metrics", address.port());
    let expected = [
        // name, kind, target, more, whether it succeeds
        ("redirected", "http", format!("http://{web}/"), "match = \"Prometheus\"".to_owned(), true),
        ("not-followed", "http", format!("http://{web}/"), "redirects = 0\nstatus = [302]".to_owned(), true),
        ("status", "http", format!("http://{web}/"), "redirects = 0".to_owned(), false),
        ("absent", "http", format!("http://{web}/-/ready"), "match = \"no such word\"".to_owned(), false),
        ("forbidden", "http", format!("http://{web}/-/ready"), "not_match = \"(?i)ready\"".to_owned(), false),
        ("number", "http", format!("http://{web}/api/v1/query?query=41.5"), "json = \"/data/result/1\"".to_owned(), true),
        ("state", "http", format!("http://{web}/api/v1/query?query=1"), "json = \"/status\"\nstates = [\"error\", \"success\"]".to_owned(), true),
        ("no-json", "http", format!("http://{web}/-/ready"), "json = \"/status\"".to_owned(), false),
        ("post", "http", format!("http://{web}/api/v1/query"), "method = \"POST\"\nbody = \"query=7\"\nheaders = [\"Content-Type: application/x-www-form-urlencoded\"]\njson = \"/data/result/1\"".to_owned(), true),
        ("https", "http", https(good), format!("{ca}\nmatch = \"node_time_seconds\""), true),
        ("https-expired", "http", https(expired), ca.clone(), false),
        ("https-self", "http", https(own), ca.clone(), false),
        ("https-stranger", "http", https(good), String::new(), false),
        ("https-insecure", "http", https(own), "insecure = true".to_owned(), true),
        ("https-name", "http", https(good), format!("{ca}\nserver_name = \"elsewhere.example\""), false),
        ("tls", "tls", format!("127.0.0.1:{}", good.port()), ca.clone(), true),
        ("tls-expired", "tls", format!("127.0.0.1:{}", expired.port()), ca.clone(), false),
        ("tcp", "tcp", web.to_string(), "send = \"GET /-/ready HTTP/1.0\\r\\n\\r\\n\"\nmatch = \"^HTTP/1.0 200\"".to_owned(), true),
        ("tcp-by-name", "tcp", format!("localhost:{}", web.port()), "ip = \"v4\"".to_owned(), true),
        ("dns", "dns", dns.to_string(), "query = \"sip.example\"\nanswers = [\"192.0.2.7\"]".to_owned(), true),
        ("dns-tcp", "dns", dns.to_string(), "query = \"sip.example\"\nrecord = \"AAAA\"\nanswers = [\"2001:db8::7\"]\nover_tcp = true".to_owned(), true),
        ("dns-srv", "dns", dns.to_string(), "query = \"_sip._udp.example\"\nrecord = \"SRV\"\nanswers = [\"0 0 5060 sip.example\"]".to_owned(), true),
        ("dns-other", "dns", dns.to_string(), "query = \"sip.example\"\nanswers = [\"192.0.2.8\"]".to_owned(), false),
        ("dns-refused", "dns", dns.to_string(), "query = \"unknown.test\"".to_owned(), false),
        ("ping", "icmp", "127.0.0.1".to_owned(), String::new(), true),
        ("ping-6", "icmp", "::1".to_owned(), String::new(), true),
        ("sip-udp", "sip", sip.to_string(), "user = \"ping\"".to_owned(), true),
        ("sip-tcp", "sip", sip.to_string(), "transport = \"tcp\"".to_owned(), true),
        ("sip-tls", "sip", format!("localhost:{}", sips.port()), format!("transport = \"tls\"\n{ca}"), true),
        ("sip-any", "sip", sip.to_string(), "user = \"maintenance\"".to_owned(), true),
        ("sip-strict", "sip", sip.to_string(), "user = \"maintenance\"\nstatus = [200]".to_owned(), false),
        ("sip-stranger", "sip", format!("localhost:{}", sips.port()), "transport = \"tls\"".to_owned(), false),
    ];
    let probes = expected
        .iter()
        .fold(String::new(), |all, (name, kind, target, more, _)| all + &probe(name, kind, target, more));
    let (agent, _) = start(folder, &probes);
    let samples = all_asked(&agent, &probes);
    let log = agent.log();
    for (name, .., success) in &expected {
        let why =
            log.lines().find(|line| line.contains(&format!("source probe:{name}:"))).unwrap_or("nothing in the log");
        assert_eq!(value(&samples, "probe_success", name), f64::from(u8::from(*success)), "{name}: {why}");
        let up = samples.sum("sidetone_source_up", &[("source", &format!("probe:{name}"))]);
        assert_eq!(up, f64::from(u8::from(*success)), "{name}: {why}");
        let attempts = samples.by_where("probe_attempts_total", &[("probe", name)], "result");
        // What fails is tried once more.
        match success {
            true => assert_eq!(attempts.keys().collect::<Vec<_>>(), ["success"], "{name}"),
            false => assert_eq!((attempts.len(), attempts["failure"] % 2.0), (1, 0.0), "{name}: {attempts:?}"),
        }
        assert!(value(&samples, "probe_duration_seconds", name) > 0.0, "{name}");
    }
    facts(&samples);
    assert_eq!(
        samples.sum("sidetone_source_failures_total", &[("source", "probe:https-expired"), ("reason", "tls")]),
        1.0
    );
    assert!(log.contains("probe:https-expired: TLS: invalid peer certificate: certificate expired"), "{log}");
    assert!(log.contains("probe:dns-other: 192.0.2.8 is not among the answers 192.0.2.7"), "{log}");
}

/// What the answers of [`real_services_are_asked`] show beside success.
fn facts(samples: &Samples) {
    let year = |year: i32| f64::from(year - 1970) * 365.25 * 86_400.0;
    for (family, name, wanted) in [
        ("probe_http_status_code", "redirected", 200.0),
        ("probe_http_redirects", "redirected", 1.0),
        ("probe_http_status_code", "not-followed", 302.0),
        ("probe_http_status_code", "status", 302.0),
        ("probe_failed_due_to_regex", "absent", 1.0),
        ("probe_failed_due_to_regex", "forbidden", 1.0),
        ("probe_failed_due_to_regex", "https", 0.0),
        ("probe_json_value", "number", 41.5),
        ("probe_json_value", "post", 7.0),
        ("probe_json_value", "state", 1.0),
        ("probe_http_ssl", "https", 1.0),
        ("probe_http_ssl", "redirected", 0.0),
        ("probe_http_version", "redirected", 1.1),
        ("probe_ip_protocol", "ping", 4.0),
        ("probe_ip_protocol", "ping-6", 6.0),
        ("probe_ip_protocol", "tcp-by-name", 4.0),
        ("probe_dns_answer_rrs", "dns", 1.0),
        ("probe_dns_query_succeeded", "dns-refused", 1.0),
        ("probe_icmp_reply_hop_limit", "ping", 64.0),
        ("probe_sip_response_code", "sip-udp", 200.0),
        ("probe_sip_response_code", "sip-strict", 503.0),
    ] {
        assert_eq!(value(samples, family, name), wanted, "{family} of {name}");
    }
    let states = samples.by_where("probe_json_state", &[("probe", "state")], "state");
    assert_eq!(states.into_iter().collect::<Vec<_>>(), [("success".to_owned(), 1.0)]);
    for name in ["https", "https-stranger", "tls"] {
        let off = (value(samples, "probe_ssl_earliest_cert_expiry", name) - year(certificates::GOOD_UNTIL)).abs();
        assert!(off < 2.0 * 86_400.0, "{name} is off by {off} s");
    }
    for name in ["https-expired", "tls-expired"] {
        let off = (value(samples, "probe_ssl_earliest_cert_expiry", name) - year(certificates::EXPIRED_SINCE)).abs();
        assert!(off < 2.0 * 86_400.0, "{name} is off by {off} s");
    }
    assert_eq!(samples.sum("probe_tls_version_info", &[("probe", "https"), ("version", "TLS 1.3")]), 1.0);
    for phase in ["connect", "tls", "processing", "transfer"] {
        let time = samples.sum("probe_http_duration_seconds", &[("probe", "https"), ("phase", phase)]);
        assert!(time > 0.0 && time < value(samples, "probe_duration_seconds", "https"), "{phase}: {time}");
    }
    assert!(samples.sum("probe_sip_duration_seconds", &[("probe", "sip-tls"), ("phase", "tls")]) > 0.0);
}

#[test]
fn the_numbers_are_blackbox_exporters() {
    if !common::can_run(&["prometheus", "prometheus-node-exporter", "dnsmasq", "prometheus-blackbox-exporter"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    certificates::write(folder);
    let (_prometheus, web) = prometheus(folder);
    let (_good, good) = encrypted(folder, "good");
    let (_dnsmasq, dns) = dnsmasq(folder);
    let ca = folder.join("ca.crt").display().to_string();
    let modules = format!(
        "modules:\n  http: {{prober: http, http: {{preferred_ip_protocol: ip4}}}}\n\
         \u{20} https: {{prober: http, http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {ca}}}}}}}\n\
         \u{20} tcp: {{prober: tcp, tcp: {{preferred_ip_protocol: ip4}}}}\n\
         \u{20} icmp: {{prober: icmp, icmp: {{preferred_ip_protocol: ip4}}}}\n\
         \u{20} dns: {{prober: dns, dns: {{preferred_ip_protocol: ip4, query_name: sip.example, query_type: A}}}}\n"
    );
    fs::write(folder.join("blackbox.yml"), modules).expect("a file");
    let address = common::free_tcp_port();
    let mut command = program("prometheus-blackbox-exporter");
    command.arg("--config.file=blackbox.yml").arg(format!("--web.listen-address={address}"));
    let _blackbox = Server::start(folder, "blackbox", &mut command);
    listening("blackbox_exporter", address);
    let secure = format!("https://localhost:{}/", good.port());
    let cases = [
        ("http", "http", format!("http://{web}/-/ready"), String::new()),
        ("redirect", "http", format!("http://{web}/"), String::new()),
        ("missing", "http", format!("http://{web}/missing"), String::new()),
        ("https", "http", secure, format!("ca_file = \"{ca}\"")),
        ("tcp", "tcp", web.to_string(), String::new()),
        ("closed", "tcp", common::free_tcp_port().to_string(), String::new()),
        ("icmp", "icmp", "127.0.0.1".to_owned(), String::new()),
        ("dns", "dns", dns.to_string(), "query = \"sip.example\"".to_owned()),
    ];
    let probes =
        cases.iter().fold(String::new(), |all, (name, kind, target, more)| all + &probe(name, kind, target, more));
    let (agent, _) = start(folder, &probes);
    let ours = all_asked(&agent, &probes);
    let families = [
        "probe_success",
        "probe_ip_protocol",
        "probe_http_status_code",
        "probe_http_content_length",
        "probe_http_uncompressed_body_length",
        "probe_http_redirects",
        "probe_http_ssl",
        "probe_http_version",
        "probe_ssl_earliest_cert_expiry",
        "probe_dns_answer_rrs",
        "probe_dns_authority_rrs",
        "probe_dns_additional_rrs",
        "probe_dns_query_succeeded",
        "probe_icmp_reply_hop_limit",
    ];
    let mut compared = 0;
    for (name, kind, target, _) in &cases {
        let module = if *name == "https" { "https" } else { kind };
        let target: String = url_escaped(target);
        let answer =
            common::http_get(address, &format!("/probe?module={module}&target={target}"), &[]).expect("it answers");
        let theirs = Samples::parse(&answer.text());
        for family in families.iter().filter(|family| answer.text().contains(&format!("\n{family} "))) {
            // It speaks HTTP/2 where it can, Sidetone does not.
            if (*name, *family) == ("https", "probe_http_version") {
                continue;
            }
            assert_eq!(value(&ours, family, name), theirs.sum(family, &[]), "{family} of {name}");
            compared += 1;
        }
    }
    println!("{compared} values");
    assert!(compared > 35, "only {compared} values were compared");
}

fn url_escaped(text: &str) -> String {
    text.replace(':', "%3A").replace('/', "%2F")
}

/// Servers that do to each connection what they please.
fn hostile(each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let each = std::sync::Arc::new(each);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = std::sync::Arc::clone(&each);
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// Reads a request's head.
fn request(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let mut head = String::new();
    while let Some(Ok(line)) = lines.next().filter(|line| line.as_ref().is_ok_and(|line| !line.is_empty())) {
        let _ = writeln!(head, "{line}");
    }
    head
}

#[test]
fn servers_that_lie_and_hang_harm_nobody() {
    if !common::can_run(&[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // A JSON answer of 1 GiB.
    let endless = hostile(|mut stream| {
        request(&stream);
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n[");
        let piece = vec![b' '; 1 << 20];
        while stream.write_all(&piece).is_ok() {}
    });
    let silent = hostile(|stream| {
        thread::sleep(Duration::from_secs(3600));
        drop(stream);
    });
    let around = hostile(|mut stream| {
        request(&stream);
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
    });
    let nonsense = hostile(|mut stream| {
        let _ = stream.write_all(b"\xff\xfe\0\0 SIP/2.0 999999999999999999999 \r\n\r\n");
    });
    let headers = hostile(|mut stream| {
        request(&stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-Padding: 0123456789012345678901234567890123456789\r\n").is_ok() {}
    });
    // A name server that says there are 65535 answers, and names that point at themselves.
    let liar = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let dns = liar.local_addr().expect("an address");
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((_, from)) = liar.recv_from(&mut buffer) {
            let mut answer = vec![buffer[0], buffer[1], 0x81, 0x80, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0];
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 1]);
            let _ = liar.send_to(&answer, from);
        }
    });
    let short = hostile(|mut stream| {
        let mut length = [0; 2];
        let _ = stream.read_exact(&mut length);
        let _ = stream.write_all(&[0xff, 0xff, 1, 2, 3]);
    });
    fs::write(folder.join("secret"), "Bearer s3cret-t0ken\n").expect("a file");
    let (sender, heard) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let polite = hostile(move |mut stream| {
        let _ = sender.lock().expect("a lock").send(request(&stream));
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    let authorization = format!("authorization_file = \"{}\"", folder.join("secret").display());
    let cases = [
        ("endless", "http", format!("http://{endless}/"), "json = \"/x\"", "answer"),
        ("silent", "http", format!("http://{silent}/"), "", "timeout"),
        ("silent-tls", "tls", silent.to_string(), "", "timeout"),
        ("silent-sip", "sip", silent.to_string(), "transport = \"tcp\"", "timeout"),
        ("silent-tcp", "tcp", silent.to_string(), "match = \"x\"", "timeout"),
        ("around", "http", format!("http://{around}/"), "", "answer"),
        ("nonsense", "http", format!("http://{nonsense}/"), "", "answer"),
        ("nonsense-sip", "sip", nonsense.to_string(), "transport = \"tcp\"", "answer"),
        ("nonsense-tls", "tls", nonsense.to_string(), "", "tls"),
        ("headers", "http", format!("http://{headers}/"), "", "answer"),
        ("dns-liar", "dns", dns.to_string(), "query = \"example.com\"", "answer"),
        ("dns-short", "dns", short.to_string(), "query = \"example.com\"\nover_tcp = true", "connect"),
        ("no-file", "http", format!("http://{polite}/"), "authorization_file = \"/nowhere\"", "io"),
        ("no-ca", "tls", silent.to_string(), "ca_file = \"/nowhere\"", "tls"),
        ("no-name", "tcp", "no-such-host.invalid:80".to_owned(), "", "resolve"),
        ("polite", "http", format!("http://{polite}/a?b=c"), authorization.as_str(), ""),
    ];
    let probes =
        cases.iter().fold(String::new(), |all, (name, kind, target, more, _)| all + &probe(name, kind, target, more));
    let probes = probes.replace("timeout = \"2s\"", "timeout = \"1s\"");
    let (agent, address) = start(folder, &probes);
    let samples = all_asked(&agent, &probes);
    for (name, .., reason) in cases.iter().filter(|case| !case.4.is_empty()) {
        assert_eq!(value(&samples, "probe_success", name), 0.0, "{name}");
        let source = format!("probe:{name}");
        let failures = samples.by_where("sidetone_source_failures_total", &[("source", &source)], "reason");
        // A host without a network has no name server that could say that there is no such host.
        let reasons: Vec<&str> = failures.keys().map(String::as_str).collect();
        assert!(
            reasons.contains(reason) || (*name == "no-name" && reasons == ["timeout"]),
            "{name}: {failures:?}\n{}",
            agent.log()
        );
    }
    assert_eq!(value(&samples, "probe_success", "polite"), 1.0);
    assert_eq!(value(&samples, "probe_http_redirects", "around"), 5.0);
    let head = heard.recv_timeout(common::PATIENCE).expect("a request").to_lowercase();
    assert!(head.starts_with("get /a?b=c http/1.1\n") && head.contains("authorization: bearer s3cret-t0ken"), "{head}");
    let shown = common::http_get(address, "/metrics", &[]).expect("the agent answers").text() + &agent.log();
    assert!(!shown.contains("s3cret"), "the secret is shown");
    let resident = fs::read_to_string(format!("/proc/{}/status", agent.id())).expect("the agent runs");
    let resident = resident.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 200 << 10, "{kib} KiB resident");
}

#[test]
fn on_demand_only_what_is_allowed() {
    if !common::can_run(&["prometheus"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (_prometheus, web) = prometheus(folder);
    let away = hostile(move |mut stream| {
        request(&stream);
        let reply = format!("HTTP/1.1 302 Found\r\nLocation: http://{web}/-/ready\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(reply.as_bytes());
    });
    let module = |name: &str, allowed: &str| {
        format!("[[probes]]\nname = \"{name}\"\nkind = \"http\"\nallowed_targets = [\"{allowed}\"]\n")
    };
    let probes = module("web", &web.to_string()) + &module("away", &format!("127.0.0.1:{}", away.port()));
    let (_agent, address) = start(folder, &probes);
    let ask = |module: &str, target: &str| {
        let path = format!("/probe?module={module}&target={}", url_escaped(target));
        let answer = common::http_get(address, &path, &[]).expect("the agent answers");
        (answer.status, answer.text())
    };
    let (status, text) = ask("web", &format!("http://{web}/-/ready"));
    assert_eq!((status, Samples::parse(&text).sum("probe_success", &[])), (200, 1.0), "{text}");
    for (module, target, wanted) in [
        ("web", format!("http://{away}/"), 403),
        ("web", format!("http://{}@{away}/", web), 400),
        ("web", "ftp://127.0.0.1/".to_owned(), 400),
        ("web", String::new(), 400),
        ("other", format!("http://{web}/"), 400),
    ] {
        let (status, text) = ask(module, &target);
        assert_eq!(status, wanted, "{module} {target}: {text}");
    }
    // Where an allowed server leads is no more allowed than it was.
    let (status, text) = ask("away", &format!("http://{away}/"));
    assert_eq!((status, Samples::parse(&text).sum("probe_success", &[])), (200, 0.0), "{text}");
    let (_off, address) = start(folder, "");
    let answer = common::http_get(address, "/probe?module=web&target=x", &[]).expect("the agent answers");
    assert_eq!(answer.status, 404);
}
