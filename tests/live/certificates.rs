//! Certificates for servers in tests: one that is as it should be, one that has expired, one that signed itself.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// Year in which the good certificate ends, on the first of January.
pub const GOOD_UNTIL: i32 = 2090;
/// Year in which the other one has ended.
pub const EXPIRED_SINCE: i32 = 2020;

fn params(last_year: i32) -> CertificateParams {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("parameters");
    params.not_before = date_time_ymd(2010, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params
}

/// Writes `ca.crt`, and `good`, `expired` and `self` with `.crt` and `.key`.
pub fn write(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a certificate");
    fs::write(folder.join("ca.crt"), issuer.pem()).expect("a file");
    for (name, year) in [("good", GOOD_UNTIL), ("expired", EXPIRED_SINCE), ("self", GOOD_UNTIL)] {
        let key = KeyPair::generate().expect("a key");
        let certificate = match name {
            "self" => params(year).self_signed(&key),
            _ => params(year).signed_by(&key, &issuer),
        };
        fs::write(folder.join(format!("{name}.crt")), certificate.expect("a certificate").pem()).expect("a file");
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("a file");
    }
}
