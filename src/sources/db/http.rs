//! GET of a small JSON document.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::session::secret;
use super::tls;
use crate::config::{Pool, Tls, TlsMode};
use crate::sources::{Failure, Reason};

/// Longest document, bytes.
const MAX_BODY: usize = 1 << 20;

/// The document at `url`, with the header fields of `pool`.
pub async fn json(url: &str, pool: &Pool) -> Result<Value, Failure> {
    let odd = |error: &dyn std::fmt::Display| Failure::new(Reason::Answer, format_args!("{url}: {error}"));
    let uri: Uri = url.parse().map_err(|error| odd(&error))?;
    let is_plain = uri.scheme_str() == Some("http");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
    let mode = if is_plain { TlsMode::Disable } else { TlsMode::VerifyFull };
    let stream = tls::connect(host, port, &Tls { mode, ca_file: pool.ca_file.clone(), ..Tls::default() }).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| odd(&error))?;
    let request = request(&uri, pool)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| odd(&error))?;
        if !answer.status().is_success() {
            return Err(Failure::new(
                refused(answer.status().as_u16()),
                format_args!("{url}: status {}", answer.status()),
            ));
        }
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(|error| odd(&error))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| odd(&error))
    };
    tokio::select! {
        answer = answer => answer,
        // It ends with the answer, or before it.
        Err(error) = connection => Err(odd(&error)),
    }
}

fn refused(status: u16) -> Reason {
    match status {
        401 => Reason::Authentication,
        403 => Reason::Permission,
        _ => Reason::Refused,
    }
}

fn request(uri: &Uri, pool: &Pool) -> Result<Request<Empty<Bytes>>, Failure> {
    let invalid = |what: &str| Failure::new(Reason::Answer, format_args!("{what} cannot be sent in a header field"));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, "sidetone")
        .body(Empty::new())
        .map_err(|_| invalid("the URL"))?;
    let fields = request.headers_mut();
    for (name, value) in &pool.headers {
        let value = HeaderValue::from_bytes(value.bytes()).map_err(|_| invalid("a value of headers"))?;
        fields.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("a name of headers"))?, value);
    }
    if let Some(file) = &pool.bearer_file {
        let value = HeaderValue::from_str(&format!("Bearer {}", secret(file)?));
        fields.insert(AUTHORIZATION, value.map_err(|_| invalid("bearer_file"))?);
    }
    Ok(request)
}
