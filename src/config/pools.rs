//! `[[pools]]`: pools of connections inside applications, which show them as JSON.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use toml::de::DeValue;

use super::databases::{distinct, few, interval, name, path, timeout};
use super::hep::Secret;
use super::section::Document;
use super::value::{self, Checked, Value, fault};

/// Most header fields of a request.
const MAX_HEADERS: usize = 20;

/// One pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The value of the `pool` label.
    pub name: String,
    /// The value of the `database` label: what the pool leads to.
    pub database: String,
    pub url: String,
    /// Where its numbers are.
    pub places: Places,
    pub bearer_file: Option<PathBuf>,
    pub headers: Vec<(String, Secret)>,
    /// PEM: roots beside those of the system.
    pub ca_file: Option<PathBuf>,
    pub interval: Option<Duration>,
    /// For all its requests together.
    pub timeout: Duration,
}

/// Where each number is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub active: Option<Place>,
    pub idle: Option<Place>,
    /// Active and idle ones together, for those who do not say how many are active.
    pub total: Option<Place>,
    pub waiting: Option<Place>,
    pub max: Option<Place>,
    pub wait_seconds: Option<Place>,
}

/// A number in a JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What is put behind the URL; empty: nothing.
    pub path: String,
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
}

pub(super) fn read(document: &mut Document<'_>) -> Vec<Pool> {
    let (mut names, mut count) = (BTreeSet::new(), 0);
    document.sections("pools", |section| {
        few(section, &mut count);
        let own = section.take_required("name", "\"booking\"", name);
        distinct(section, &own, &mut names);
        let mut at = |key| section.take(key, None, |typed| place(typed).map(Some));
        let places = Places {
            active: at("active"),
            idle: at("idle"),
            total: at("total"),
            waiting: at("waiting"),
            max: at("max"),
            wait_seconds: at("wait_seconds"),
        };
        section.require_one_of(["active", "total"], "\"#/active\"");
        Pool {
            name: own,
            database: section.take_required("database", "\"calls\"", name),
            url: section.take_required("url", "\"http://127.0.0.1:8080/pool\"", url),
            places,
            bearer_file: section.take("bearer_file", None, path),
            headers: section.take("headers", Vec::new(), headers),
            ca_file: section.take("ca_file", None, path),
            interval: section.take("interval", None, |typed| interval(typed).map(Some)),
            timeout: section.take("timeout", Duration::from_secs(5), timeout),
        }
    })
}

fn url(value: Value<'_>) -> Checked<String> {
    let span = value.span();
    let text = value::text(value)?;
    let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let Some(authority) = uri.as_ref().and_then(Uri::authority) else {
        return fault(span, "is no URL of HTTP", "write one such as \"http://127.0.0.1:8080/pool\"");
    };
    if authority.as_str().contains('@') {
        return fault(span, "holds a user", "put the token into a file and name it as bearer_file");
    }
    Ok(text)
}

/// A place, `PATH#POINTER`.
fn place(value: Value<'_>) -> Checked<Place> {
    let span = value.span();
    let text = value::text(value)?;
    match text.split_once('#') {
        Some((path, pointer)) if pointer.is_empty() || pointer.starts_with('/') => {
            Ok(Place { path: path.to_owned(), pointer: pointer.to_owned() })
        }
        _ => fault(
            span,
            "is no place in a JSON document",
            "write a # and a JSON pointer (RFC 6901), as in \"#/pool/active\"",
        ),
    }
}

fn headers(value: Value<'_>) -> Checked<Vec<(String, Secret)>> {
    let span = value.span();
    let hint = "write headers = { Name = \"value\" }";
    let DeValue::Table(table) = value.into_inner() else {
        return fault(span, "must be a section of names and values", hint);
    };
    let mut all = Vec::new();
    for (name, value) in table {
        let text = value.get_ref().as_str().unwrap_or_default();
        if HeaderName::from_bytes(name.get_ref().as_bytes()).is_err()
            || text.is_empty()
            || HeaderValue::from_str(text).is_err()
        {
            return fault(name.span(), "holds what is no header field", hint);
        }
        all.push((name.get_ref().to_string(), Secret::new(text.to_owned())));
    }
    match all.len() <= MAX_HEADERS {
        true => Ok(all),
        false => fault(span, format!("has more than {MAX_HEADERS} header fields"), "few servers want so many"),
    }
}
