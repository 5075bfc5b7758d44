//! From OpenMetrics 1.0.0, the only text format that prometheus-client writes, to the Prometheus text format 0.0.4.

use std::borrow::Cow;

/// What a `# TYPE` line said, as far as the two formats differ in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Info,
    /// `unknown`, `gaugehistogram` and what is to come: 0.0.4 has no word for them.
    Untyped,
}

impl Type {
    fn parse(word: &str) -> Type {
        match word {
            "counter" => Type::Counter,
            "gauge" | "stateset" => Type::Gauge,
            "histogram" => Type::Histogram,
            "summary" => Type::Summary,
            "info" => Type::Info,
            _ => Type::Untyped,
        }
    }

    /// The type's name in 0.0.4.
    fn text_name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge | Type::Info => "gauge",
            Type::Histogram => "histogram",
            Type::Summary => "summary",
            Type::Untyped => "untyped",
        }
    }

    /// OpenMetrics names a family without the suffix that its samples have; 0.0.4 with it.
    fn suffix(self) -> &'static str {
        match self {
            Type::Counter => "_total",
            Type::Info => "_info",
            _ => "",
        }
    }

    /// These have `_created` samples in OpenMetrics, which mean nothing in 0.0.4.
    fn has_created(self) -> bool {
        matches!(self, Type::Counter | Type::Histogram | Type::Summary)
    }
}

/// The family that the metadata lines are about.
#[derive(Default)]
struct Head<'a> {
    name: &'a str,
    /// HELP may come before TYPE (prometheus-client) or after it, and its name depends on the type.
    help: Option<&'a str>,
    kind: Option<Type>,
}

/// Rewrites an OpenMetrics 1.0.0 exposition as Prometheus text format 0.0.4. Lines that are neither are dropped.
pub fn openmetrics_to_text(om: &str) -> String {
    let mut out = String::with_capacity(om.len() + 64);
    let mut head = Head::default();
    for line in om.lines() {
        match line.strip_prefix("# ") {
            Some("EOF") => break,
            Some(metadata) => metadata_line(&mut out, &mut head, metadata),
            None if line.is_empty() || line.starts_with('#') => {}
            None => sample_line(&mut out, &mut head, line),
        }
    }
    head.flush(&mut out);
    out
}

impl<'a> Head<'a> {
    /// Writes what is known of the family once no more metadata can come.
    fn flush(&mut self, out: &mut String) {
        let kind = self.kind.unwrap_or(Type::Untyped);
        if let Some(help) = self.help.take() {
            push_all(out, &["# HELP ", self.name, kind.suffix(), " ", &unescape_quotes(help), "\n"]);
        }
    }

    fn of(&mut self, out: &mut String, name: &'a str) -> &mut Self {
        if self.name != name {
            self.flush(out);
            *self = Head { name, help: None, kind: None };
        }
        self
    }
}

fn metadata_line<'a>(out: &mut String, head: &mut Head<'a>, metadata: &'a str) {
    let mut words = metadata.splitn(3, ' ');
    let (Some(keyword), Some(name)) = (words.next(), words.next()) else {
        return;
    };
    let rest = words.next().unwrap_or("");
    match keyword {
        "HELP" => {
            let head = head.of(out, name);
            head.help = Some(rest);
            if head.kind.is_some() {
                head.flush(out);
            }
        }
        "TYPE" => {
            let kind = Type::parse(rest.trim_end());
            let head = head.of(out, name);
            head.kind = Some(kind);
            head.flush(out);
            push_all(out, &["# TYPE ", name, kind.suffix(), " ", kind.text_name(), "\n"]);
        }
        _ => {} // UNIT, and free comments, which OpenMetrics forbids
    }
}

fn sample_line<'a>(out: &mut String, head: &mut Head<'a>, line: &'a str) {
    head.flush(out);
    let name_end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, _) = line.split_at(name_end);
    let created = name.strip_suffix("_created").is_some_and(|family| family == head.name);
    if created && head.kind.is_some_and(Type::has_created) {
        return;
    }
    let Some((series, rest)) = split_labels(line, name_end) else {
        return;
    };
    // An exemplar is what follows " # " after the labels.
    let sample = rest.split_once(" # ").map_or(rest, |(sample, _)| sample);
    let mut words = sample.split(' ').filter(|word| !word.is_empty());
    let Some(value) = words.next() else { return };
    push_all(out, &[series, " ", value]);
    if let Some(millis) = words.next().and_then(timestamp_millis) {
        push_all(out, &[" ", &millis.to_string()]);
    }
    out.push('\n');
}

/// Splits a sample line after its labels, or after its name if it has none.
fn split_labels(line: &str, name_end: usize) -> Option<(&str, &str)> {
    if line.as_bytes().get(name_end) != Some(&b'{') {
        return Some(line.split_at(name_end));
    }
    // Without an exemplar the last brace closes the labels, whatever stands in the label values.
    let end = if line.contains('#') { closing_brace(line, name_end)? } else { line.rfind('}')? };
    line.split_at_checked(end + 1)
}

/// The position of the brace that closes the labels: the first that is in no quoted value.
fn closing_brace(line: &str, open: usize) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in line.bytes().enumerate().skip(open) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// OpenMetrics counts seconds, with a fraction; 0.0.4 whole milliseconds.
fn timestamp_millis(seconds: &str) -> Option<i64> {
    let millis = (seconds.parse::<f64>().ok()? * 1000.0).round();
    millis.is_finite().then_some(millis as i64)
}

/// OpenMetrics escapes quotes in HELP; 0.0.4 knows only `\\` and `\n` there.
fn unescape_quotes(help: &str) -> Cow<'_, str> {
    if !help.contains("\\\"") {
        return Cow::Borrowed(help);
    }
    let mut out = String::with_capacity(help.len());
    let mut chars = help.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('"')) => {}
            ('\\', Some(&next)) => {
                out.push(c);
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn push_all(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::{counter::Counter, exemplar::CounterWithExemplar, family::Family};
    use prometheus_client::metrics::{gauge::Gauge, histogram::Histogram, info::Info};
    use prometheus_client::registry::{Registry, Unit};
    use proptest::prelude::*;

    use super::*;

    type Labels = Vec<(&'static str, String)>;

    /// One family of each kind, as prometheus-client writes them.
    fn openmetrics(label_value: &str) -> String {
        let mut registry = Registry::default();
        let labels: Labels = vec![("peer", label_value.to_owned())];
        let counter = Family::<Labels, Counter>::default();
        counter.get_or_create(&labels).inc_by(7);
        registry.register("rtp_packets", "Packets \\\"seen\\\"", counter);
        let traced = CounterWithExemplar::<Labels>::default();
        traced.inc_by(3, Some(vec![("call_id", "a # {b}\"".to_owned())]), None);
        registry.register("call_attempts", "Attempts", traced);
        registry.register_with_unit("call_active_age", "Age", Unit::Seconds, Gauge::<i64>::default());
        let histogram = Histogram::new([0.1, 1.0]);
        histogram.observe(0.5);
        registry.register("rtp_jitter_seconds", "Jitter", histogram);
        registry.register("sidetone_build", "Build", Info::new(vec![("version", "0.1.0")]));
        let mut out = String::new();
        encode(&mut out, &registry).expect("writing into a String");
        out
    }

    const GOLDEN: &str = r##"# HELP rtp_packets_total Packets "seen".
# TYPE rtp_packets_total counter
rtp_packets_total{peer="a # {\"b\"} \\ }"} 7
# HELP call_attempts_total Attempts.
# TYPE call_attempts_total counter
call_attempts_total 3
# HELP call_active_age_seconds Age.
# TYPE call_active_age_seconds gauge
call_active_age_seconds 0
# HELP rtp_jitter_seconds Jitter.
# TYPE rtp_jitter_seconds histogram
rtp_jitter_seconds_sum 0.5
rtp_jitter_seconds_count 1
rtp_jitter_seconds_bucket{le="0.1"} 0
rtp_jitter_seconds_bucket{le="1.0"} 1
rtp_jitter_seconds_bucket{le="+Inf"} 1
# HELP sidetone_build_info Build.
# TYPE sidetone_build_info gauge
sidetone_build_info{version="0.1.0"} 1
"##;

    #[test]
    fn what_prometheus_client_writes_becomes_the_golden_text() {
        assert_eq!(openmetrics_to_text(&openmetrics("a # {\"b\"} \\ }")), GOLDEN);
    }

    #[test]
    fn what_it_does_not_write_is_right_too() {
        let om = "# TYPE a unknown\n# HELP a after \\\\\\\"type\\n\na 1 1.5\n# TYPE b stateset\nb{b=\"x\"} NaN -2\n\
                  # HELP c counts\n# TYPE c counter\n# UNIT c seconds\nc_total{x=\"# {\"} 1e3 1520879607.789 # {t=\"}\"} 1 2\n\
                  c_created 1.0\n# TYPE d_created gauge\nd_created 5\n# HELP e lonely\n# TYPE f gaugehistogram\n\
                  f_gcount 1\n# EOF\nnothing 1\n";
        let text = "# TYPE a untyped\n# HELP a after \\\\\"type\\n\na 1 1500\n# TYPE b gauge\nb{b=\"x\"} NaN -2000\n\
                    # HELP c_total counts\n# TYPE c_total counter\nc_total{x=\"# {\"} 1e3 1520879607789\n\
                    # TYPE d_created gauge\nd_created 5\n# HELP e lonely\n# TYPE f untyped\nf_gcount 1\n";
        assert_eq!(openmetrics_to_text(om), text.replace("\n\n", "\n"));
    }

    #[test]
    fn promtool_finds_nothing_to_say() {
        let run =
            Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = run else {
            println!("SKIPPED: promtool is not installed");
            return;
        };
        let text = openmetrics_to_text(&openmetrics("a # {\"b\"} \\ }\n"));
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(text.as_bytes()).expect("promtool reads");
        drop(stdin);
        let output = child.wait_with_output().expect("promtool ends");
        assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    }

    proptest! {
        #[test]
        fn no_input_panics(om in "(# (HELP|TYPE|UNIT) |[a-z_]+|[{}\"\\\\# \n=,.0-9]|\\PC)*") {
            openmetrics_to_text(&om);
        }

        #[test]
        fn no_label_value_confuses(value in any::<String>()) {
            let om = openmetrics(&value);
            let wanted = om.split('\n').find(|line| line.starts_with("rtp_packets_total")).expect("a sample");
            let text = openmetrics_to_text(&om);
            prop_assert!(text.split('\n').any(|line| line == wanted), "{}", wanted);
            prop_assert_eq!(text.lines().count(), GOLDEN.lines().count());
        }
    }
}
