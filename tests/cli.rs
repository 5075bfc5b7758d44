//! The commands as a person meets them: exit status, and what is said on which stream.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn sidetone(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sidetone")).args(args).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file in the temporary folder");
    path.display().to_string()
}

/// One empty Ethernet frame in a classic pcap: decodes to nothing, but is a capture.
fn small_capture() -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 14, 0, 0, 0]);
    bytes.extend([0; 12]);
    bytes.extend([0x08, 0x06]);
    bytes
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = write(folder.path(), "good.pcap", &small_capture());
    let text = write(folder.path(), "notes.txt", b"this is no capture\n");
    let empty = write(folder.path(), "empty.pcap", b"");
    let missing = folder.path().join("missing.pcap").display().to_string();
    let output = sidetone(&["analyze", "--format", "json", &text, &good, &empty, &missing]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&printed(&output)).expect("JSON of what could be read");
    assert_eq!(report["captures"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["frames"]["total"], 1);
    assert_eq!(report["frames"]["undecoded"]["not_ip"], 1);
    for name in [&text, &empty, &missing] {
        assert!(said(&output).contains(name.as_str()), "{} names {name}", said(&output));
    }
}

#[test]
fn a_file_that_is_cut_off_is_reported_so_and_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bytes = small_capture();
    bytes.extend_from_slice(&small_capture()[24..40]);
    let cut = write(folder.path(), "cut.pcap", &bytes);
    let output = sidetone(&["analyze", "--format", "json", &cut]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_str(&printed(&output)).expect("JSON");
    assert_eq!((&report["captures"][0]["truncated"], &report["frames"]["total"]), (&true.into(), &1.into()));
    assert!(printed(&sidetone(&["analyze", &cut])).contains("CUT OFF"));
}

/// What is printed, what is said, and how it ends, whatever the files are.
#[test]
fn several_threads_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.pcap").display().to_string();
    let good = write(folder.path(), "good.pcap", &small_capture());
    let mut bytes = small_capture();
    bytes.extend_from_slice(&small_capture()[24..40]);
    let cut = write(folder.path(), "cut.pcap", &bytes);
    let empty = write(folder.path(), "empty.pcap", b"");
    let mut captures = vec![vec![good.clone(), missing, cut.clone(), empty], vec![cut], vec![good]];
    if let Some(shared) = support::shared_dir() {
        let all = std::fs::read_dir(shared.join("captures")).expect("the captures").flatten().map(|entry| entry.path());
        let files = all.filter(|path| path.extension().is_some_and(|ending| ending.to_string_lossy().contains("cap")));
        let mut names: Vec<String> = files.map(|path| path.display().to_string()).collect();
        names.sort();
        assert!(names.len() >= 50, "only {} captures", names.len());
        captures.extend(names.iter().map(|name| vec![name.clone()]));
        captures.push(names);
    }
    for files in captures {
        for format in ["text", "json", "prometheus"] {
            let with = |threads: &str| {
                let options = ["analyze", "--format", format, "--threads", threads];
                let arguments: Vec<&str> = options.into_iter().chain(files.iter().map(String::as_str)).collect();
                let output = sidetone(&arguments);
                (output.status.code(), said(&output), printed(&output))
            };
            let one = with("1");
            for threads in ["2", "64"] {
                assert!(with(threads) == one, "{format} of {files:?} differs with {threads} threads");
            }
        }
    }
    assert_eq!(sidetone(&["analyze", "--threads", "0", "x"]).status.code(), Some(2));
}

/// /dev/full is a disk without room (full(4)).
#[test]
fn output_without_room_for_it_is_a_failure_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = write(folder.path(), "good.pcap", &small_capture());
    let full = || fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidetone"));
        command.args(args).stdout(full());
        command
    };
    for format in ["text", "json", "prometheus"] {
        let output = run(&["analyze", "--format", format, &good]).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(
            said(&output).contains("cannot write to standard output: No space left"),
            "{format}: {}",
            said(&output)
        );
    }
    // Where the reason has no room either, the exit status is all that is left.
    for args in
        [&["analyze", "--format", "json", &good][..], &["analyze", "missing.pcap"], &["run", "--config", "missing"]]
    {
        let status = run(args).stderr(full()).status().expect("the program runs");
        assert_eq!(status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_a_hint() {
    for args in [&["analyze"][..], &["nonsense"], &["mos", "--codec", "pcmu", "--loss", "5"], &["run", "--port"]] {
        let output = sidetone(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(!said(&output).is_empty() && printed(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn a_codec_without_bpl_is_rated_without_loss_only() {
    let mos = |args: &[&str]| sidetone(&[&["mos", "--codec", "g726-32"], args].concat());
    let output = mos(&["--no-plc", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let rating: serde_json::Value = serde_json::from_str(&printed(&output)).expect("JSON");
    let r_factor = rating["r_factor"].as_f64().expect("a number");
    assert!((r_factor - 86.2).abs() < 0.05, "93.2 less the Ie of 7: {rating}");
    assert_eq!((&rating["ie"], &rating["bpl"], &rating["model"]), (&7.0.into(), &().into(), &"G.107".into()));
    assert_eq!(rating["note"], "no published Bpl: rated without loss only");
    let text = printed(&mos(&["--delay", "0.1"]));
    assert!(text.contains("Note      no published Bpl: rated without loss only"), "{text}");
    assert!(text.contains("Ie 7: G.113 Table I.1") && !text.contains("concealment"), "{text}");

    let output = mos(&["--loss", "0.001"]);
    assert_eq!(output.status.code(), Some(1));
    let message = said(&output);
    assert!(message.contains("no published Bpl for `g726-32`: it can be rated without loss only"), "{message}");
    assert!(printed(&output).is_empty() && message.contains("pcmu, ") && !message.contains("g728"), "{message}");

    let output = sidetone(&["mos", "--codec", "opus"]);
    assert_eq!(output.status.code(), Some(1), "neither is published");
    assert!(said(&output).contains("g728"), "without loss it can be rated: {}", said(&output));
    let with_pair = printed(&sidetone(&["mos", "--codec", "pcmu", "--format", "json"]));
    let rating: serde_json::Value = serde_json::from_str(&with_pair).expect("JSON");
    assert_eq!((&rating["bpl"], &rating["note"]), (&25.1.into(), &().into()));
}

#[test]
fn check_says_every_mistake_with_line_and_hint() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = b"[web]\nlisten_adress = \"x\"\n[media]\ninterval = 5\n[capture]\nsip_ports = [\"9-5\"]\nfilter = \"\"\n[nope]\n";
    let bad = write(folder.path(), "bad.toml", text);
    for command in ["check", "run"] {
        let output = sidetone(&[command, "--config", &bad]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let report = said(&output);
        for place in [":2:1", ":4:12", ":6:", ":7:", ":8:"] {
            assert!(report.contains(&format!("{bad}{place}")), "{command}: {place} in {report}");
        }
        assert!(report.contains("5 errors") && report.contains("did you mean `listen_address`?"), "{report}");
    }
    let filter = write(folder.path(), "filter.toml", b"[capture]\nfilter = \"udp porrt 5060\"\n");
    let output = sidetone(&["check", "--config", &filter]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("udp porrt 5060"), "{}", said(&output));
}

#[test]
fn the_shipped_configuration_is_good() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sidetone.toml");
    let output = sidetone(&["check", "--config", shipped]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_failure() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidetone"))
        .arg("metrics")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

/// The capability is dropped with setpriv (util-linux); only root has one to drop.
#[test]
fn a_missing_capability_is_named_with_the_way_to_grant_it() {
    let id = Command::new("id").arg("-u").output().expect("id");
    let drop = ["--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"];
    let binary = env!("CARGO_BIN_EXE_sidetone");
    let run = [binary, "run", "--interface", "lo", "--listen-address", "127.0.0.1:0"];
    let output = if printed(&id).trim() == "0" {
        // Nobody may not be able to reach the build folder; the temporary one it can.
        let folder = tempfile::tempdir().expect("a folder");
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let copy = folder.path().join("sidetone");
        // By another process: a file that this one writes stays open in what other tests fork meanwhile, and is "busy" (126).
        assert!(Command::new("cp").arg(binary).arg(&copy).status().expect("cp").success());
        Command::new("setpriv").args(drop).arg(&copy).args(&run[1..]).output().expect("setpriv")
    } else {
        Command::new(binary).args(&run[1..]).output().expect("the program runs")
    };
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("CAP_NET_RAW") && said(&output).contains("setcap"), "{}", said(&output));
}
