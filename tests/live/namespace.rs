//! Network namespaces of a test's own.

use std::process::Command;

/// Set in the child that runs inside.
const INSIDE: &str = "SIDETONE_TEST_NAMESPACE";

/// Runs the body of the test `name` in a network namespace of its own, which goes with it.
pub fn in_namespace(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let this = std::env::current_exe().expect("the test's own path");
    // unshare(1): the namespace lives as long as the process in it.
    let status = Command::new("unshare")
        .args(["--net", "--"])
        .arg(this)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.expect("unshare runs").success(), "{name} failed in its namespace");
}

/// Runs `ip` with these words; fails with what it says.
pub fn ip(words: &str) {
    let out = Command::new("ip").args(words.split(' ')).output().expect("ip runs");
    assert!(out.status.success(), "ip {words}: {}", String::from_utf8_lossy(&out.stderr));
}
