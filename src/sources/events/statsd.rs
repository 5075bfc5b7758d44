//! StatsD lines over UDP: `name:value|type|@rate|#tag:value,...`, each an event of that name whose properties are its tags.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::net::UdpSocket;
use tracing::{info, warn};

use super::REJECTED;
use super::intake::Intake;

/// Largest datagram (RFC 768).
const MAX_DATAGRAM: usize = 65_535;

/// Takes lines until the runtime ends.
pub async fn listen(intake: Arc<Intake>, address: SocketAddr, source: String) {
    let socket = match UdpSocket::bind(address).await {
        Ok(socket) => socket,
        Err(error) => {
            warn!("events.statsd: cannot listen on {address}: {error}");
            return;
        }
    };
    info!("StatsD lines at {address}");
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(length) => take(&intake, &source, &buffer[..length]),
            Err(error) => warn!("events.statsd: {error}"),
        }
    }
}

fn take(intake: &Intake, source: &str, datagram: &[u8]) {
    let Some(gate) = intake.named(source) else { return };
    let lines = datagram.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let values: Vec<Result<Value, ()>> =
        lines.map(|line| std::str::from_utf8(line).ok().and_then(parse).ok_or(())).collect();
    if gate.allow(values.len()).is_err() {
        metrics::counter!(REJECTED, "pack" => gate.source.pack.clone(), "reason" => "rate_limited").increment(1);
        return;
    }
    intake.count(gate, &values, Timestamp::now());
}

/// One line as an event: its value is the property `value`; a counter's is scaled by its sampling rate, times are seconds.
fn parse(line: &str) -> Option<Value> {
    let (name, rest) = line.trim().split_once(':')?;
    let mut parts = rest.split('|');
    let (value, kind) = (parts.next()?, parts.next()?);
    let mut properties = Map::new();
    let mut rate = 1.0;
    for part in parts {
        if let Some(sampled) = part.strip_prefix('@') {
            rate = sampled.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 1.0)?;
        } else if let Some(tags) = part.strip_prefix('#') {
            for tag in tags.split(',') {
                let (key, value) = tag.split_once(':').unwrap_or((tag, "true"));
                properties.insert(key.to_owned(), value.into());
            }
        }
    }
    let number = || value.parse::<f64>().ok().filter(|number| number.is_finite());
    let value = match kind {
        "c" => json!(number()? / rate),
        "ms" => json!(number()? / 1e3),
        "g" | "h" | "d" => json!(number()?),
        "s" => value.into(),
        _ => return None,
    };
    properties.insert("value".to_owned(), value);
    (!name.is_empty()).then(|| json!({ "name": name, "properties": properties }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let of = |line| parse(line).map(|event| (event["name"].clone(), event["properties"].clone()));
        assert_eq!(of("a.b:3|c|@0.5|#x:y,z"), Some(("a.b".into(), json!({"value": 6.0, "x": "y", "z": "true"}))));
        assert_eq!(of("t:250|ms"), Some(("t".into(), json!({"value": 0.25}))));
        assert_eq!(of("u:alice|s"), Some(("u".into(), json!({"value": "alice"}))));
        for bad in ["", "x", "x:1", "x:1|q", "x:NaN|c", "x:1|c|@0", ":1|c", "x:inf|g"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
