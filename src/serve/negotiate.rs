//! What the client wants: format, compression, and by when.

use std::time::Duration;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

/// Prometheus says how long it will wait.
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// A format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4: whoever does not ask, browsers and curl included.
    Text,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// OpenMetrics if the client accepts it and likes nothing else that we have better. Never "not acceptable": text then.
pub fn format(headers: &HeaderMap) -> Format {
    let (mut openmetrics, mut text) = (0.0, 0.0);
    for entry in entries(headers, &ACCEPT) {
        let wanted_version = entry.parameter("version");
        let (side, version) = match entry.name.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => (&mut openmetrics, "1.0.0"),
            "text/plain" => (&mut text, "0.0.4"),
            "text/*" | "*/*" => (&mut text, ""),
            _ => continue,
        };
        if version.is_empty() || wanted_version.is_none_or(|wanted| wanted == version) {
            *side = entry.quality().max(*side);
        }
    }
    if openmetrics > 0.0 && openmetrics >= text { Format::OpenMetrics } else { Format::Text }
}

/// True if the client takes gzip, and likes it no less than no compression.
pub fn gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for entry in entries(headers, &ACCEPT_ENCODING) {
        let quality = Some(entry.quality());
        match entry.name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = quality,
            "*" => any = quality,
            "identity" => identity = quality,
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// The time that the scraper gives, if it says so sensibly and it is less than `limit`; else `limit`.
pub fn timeout(headers: &HeaderMap, limit: Duration) -> Duration {
    let wanted = headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    let wanted = wanted.filter(|seconds| *seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wanted.map_or(limit, |wanted| wanted.min(limit))
}

/// One element of a list header (RFC 9110, section 12.4): `name;parameter=value;q=0.5`.
struct Entry<'a> {
    name: &'a str,
    parameters: &'a str,
}

impl<'a> Entry<'a> {
    fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let mut values = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim().trim_matches('"'))
    }

    /// 0 to 1; 1 if not given, 0 (not acceptable) if it is no number.
    fn quality(&self) -> f32 {
        let quality = self.parameter("q").map(|q| q.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)));
        quality.map_or(1.0, |valid| valid.unwrap_or(0.0))
    }
}

fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Entry<'a>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|element| {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        Entry { name: name.trim(), parameters }
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header value"))])
    }

    #[test]
    fn format_follows_accept() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format_wanted) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8, text/plain", Format::OpenMetrics),
            ("application/openmetrics-text;version=0.0.1,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.8", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=NaN", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Text),
            ("application/json", Format::Text),
            (",;,=;q", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(format(&headers(ACCEPT, accept)), format_wanted, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), Format::Text);
    }

    #[test]
    fn gzip_follows_accept_encoding() {
        for (accept, wanted) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(gzip(&headers(ACCEPT_ENCODING, accept)), wanted, "{accept}");
        }
        assert!(!gzip(&HeaderMap::new()));
    }

    #[test]
    fn timeout_is_the_shorter_one() {
        let limit = Duration::from_secs(10);
        for (value, millis) in [("2.5", 2_500), ("30", 10_000), ("0", 10_000), ("-1", 10_000), ("x", 10_000)] {
            assert_eq!(timeout(&headers(SCRAPE_TIMEOUT, value), limit).as_millis(), millis, "{value}");
        }
        for value in ["inf", "NaN", "1e300"] {
            assert_eq!(timeout(&headers(SCRAPE_TIMEOUT, value), limit), limit, "{value}");
        }
    }
}
