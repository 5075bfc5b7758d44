//! What all sources that connect share: a stream of any kind, and the addresses behind a name.

use std::net::IpAddr;

use hickory_resolver::Resolver;
use hickory_resolver::config::LookupIpStrategy;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, Reason};

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// The addresses of a host, which may be one itself; at least one. The system's own resolver would block a thread for as long as it likes.
///
/// The resolver is made anew each time: resolv.conf may have changed, and a cached answer says nothing about the name server.
pub async fn look_up(host: &str, strategy: LookupIpStrategy) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let failed = |error: &dyn std::fmt::Display| Failure::new(Reason::Resolve, format_args!("{host}: {error}"));
    let mut builder = Resolver::builder_tokio().map_err(|error| failed(&error))?;
    builder.options_mut().cache_size = 0;
    builder.options_mut().ip_strategy = strategy;
    let resolver = builder.build().map_err(|error| failed(&error))?;
    let found: Vec<IpAddr> = resolver.lookup_ip(host).await.map_err(|error| failed(&error))?.iter().collect();
    match found.is_empty() {
        true => Err(failed(&"no address")),
        false => Ok(found),
    }
}
