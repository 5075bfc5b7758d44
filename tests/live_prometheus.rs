//! Debian's Prometheus scrapes the agent while SIPp makes calls: its HTTP API gives the values that /metrics has.

#[path = "live/calls.rs"]
mod calls;
#[path = "live/common.rs"]
mod common;
#[path = "live/sipp.rs"]
mod sipp;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Agent, PortBlock};
use serde_json::Value;

/// A Prometheus that scrapes one agent every second; killed when dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(folder: &Path, agent: SocketAddr) -> Self {
        let address = common::free_tcp_port();
        let configuration = folder.join("prometheus.yml");
        let scrape = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: sidetone\n";
        let target = format!("{scrape}  static_configs: [{{targets: ['{agent}']}}]\n");
        fs::write(&configuration, target).expect("a configuration file");
        let log = folder.join("prometheus.log");
        let child = Command::new(common::find_program("prometheus").expect("prometheus"))
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("prometheus starts");
        let mut prometheus = Prometheus { child, address };
        common::wait_for("prometheus to be ready", || {
            let ended = prometheus.child.try_wait().expect("the state of prometheus");
            assert!(ended.is_none(), "prometheus ended: {}", fs::read_to_string(&log).unwrap_or_default());
            common::http_get(address, "/-/ready", &[]).ok().filter(|answer| answer.status == 200)
        });
        prometheus
    }

    fn api(&self, path: &str) -> Value {
        let answer = common::http_get(self.address, &format!("/api/v1/{path}"), &[]).expect("the API answers");
        let value: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(value["status"], "success", "{path}: {value}");
        value["data"].clone()
    }

    /// The value of a query with one result; nothing while there is none.
    fn query(&self, expression: &str) -> Option<f64> {
        let encode = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let data = self.api(&format!("query?query={}", expression.bytes().map(encode).collect::<String>()));
        let results = data["result"].as_array().expect("a vector");
        assert!(results.len() <= 1, "{expression}: {data}");
        results.first().map(|result| result["value"][1].as_str().expect("a value").parse().expect("a number"))
    }

    /// Waits until the query gives `wanted`.
    fn wait_for(&self, expression: &str, wanted: f64) {
        common::wait_for(&format!("{expression} to be {wanted}"), || {
            self.query(expression).filter(|value| *value == wanted)
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_has_the_values_of_the_agent() {
    if !common::can_run(&["sipp", "prometheus"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let block = PortBlock::claim();
    let address = common::free_tcp_port();
    let agent = Agent::start(folder.path(), address, &calls::configuration(address, r#"["lo"]"#, &block));
    let prometheus = Prometheus::start(folder.path(), address);
    prometheus.wait_for("up", 1.0);

    let calls = calls::start_calls(folder.path(), &block);
    common::wait_for("prometheus to see calls under way", || {
        prometheus.query("sum(call_active{state='answered'})").filter(|active| *active > 0.0)
    });
    calls.finish();
    let end = agent.wait_for_metrics("all streams to be over", |now| {
        now.sum("call_active", &[]) == 0.0 && now.sum("rtp_streams_active", &[]) == 0.0
    });

    prometheus.wait_for("sum(rtp_streams_active)", 0.0);
    for family in [
        "call_attempts_total",
        "call_answers_total",
        "call_outcomes_total",
        "call_duration_seconds_sum",
        "sip_requests_total",
        "sip_responses_total",
        "sip_retransmissions_total",
        "rtp_streams_started_total",
        "rtp_packets_total",
        "rtp_packets_expected_total",
        "rtp_mos_count",
    ] {
        let here = end.sum(family, &[]);
        assert!(here > 0.0, "{family} is {here}");
        prometheus.wait_for(&format!("sum({family})"), here);
    }
    prometheus
        .wait_for("sum(call_outcomes_total{outcome='busy'})", end.sum("call_outcomes_total", &[("outcome", "busy")]));
    assert_derived(&prometheus);
    assert_clean_scrapes(&prometheus);
    assert_eq!(agent.terminate().0.code(), Some(0));
}

fn assert_derived(prometheus: &Prometheus) {
    let between = |expression: &str, low: f64, high: f64| {
        let value = prometheus.query(expression).unwrap_or_else(|| panic!("{expression}: nothing"));
        assert!((low..=high).contains(&value), "{expression} = {value}, not in {low} to {high}");
    };
    let answered = f64::from(calls::ANSWERED) / calls::KINDS.iter().map(|kind| f64::from(kind.calls)).sum::<f64>();
    between("sum(call_answers_total) / sum(call_attempts_total)", answered, answered);
    // Packets come over 2 s and more: some scrape sees a part of them.
    between("sum(increase(rtp_packets_total[10m]))", 1.0, f64::INFINITY);
    between("histogram_quantile(0.5, sum by (le) (rtp_mos_bucket))", 4.3, 4.5);
    between("histogram_quantile(0.5, sum by (le) (rtp_jitter_seconds_bucket))", 0.0, 0.05);
    between("histogram_quantile(0.5, sum by (le) (call_duration_seconds_bucket))", 1.0, 30.0);
    between("count(sidetone_build_info)", 1.0, 1.0);
}

fn assert_clean_scrapes(prometheus: &Prometheus) {
    let targets = prometheus.api("targets");
    let target = &targets["activeTargets"][0];
    assert_eq!((target["health"].as_str(), target["lastError"].as_str()), (Some("up"), Some("")), "{target}");
    assert_eq!(prometheus.query("min_over_time(up[10m])"), Some(1.0), "a scrape failed");
}
