//! Network namespaces of a test's own.

use std::io::Read;
use std::process::{Child, Command, Stdio};

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

/// Runs `ip` with these words; false where it fails.
pub fn try_ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|out| out.status.success())
}

/// Another namespace, held by a process that does nothing.
pub struct Namespace(Child);

impl Namespace {
    pub fn new() -> Namespace {
        let mut child = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        // The line comes from inside: the namespace is there.
        let mut line = [0];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut line).expect("a line");
        Namespace(child)
    }

    /// What `ip link set ... netns` wants.
    pub fn name(&self) -> u32 {
        self.0.id()
    }

    /// Runs a command inside.
    pub fn run(&self, command: &str) {
        let target = format!("--net=/proc/{}/ns/net", self.0.id());
        let status = Command::new("nsenter").arg(target).args(command.split(' ')).status();
        assert!(status.expect("nsenter runs").success(), "{command}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
