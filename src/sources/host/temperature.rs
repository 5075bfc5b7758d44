//! Temperatures, where there are sensors: the kernel's hwmon/sysfs-interface.rst and thermal zones.

use std::path::Path;

use super::{Host, Reader, names, number, text};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row, Start};

const LABELS: &[&str] = &["chip", "sensor"];

static FAMILIES: [Family; 4] = [
    Family::gauge("host_hwmon_temp_celsius", "celsius", LABELS, "Temperature of a sensor."),
    Family::gauge("host_hwmon_temp_max_celsius", "celsius", LABELS, "Temperature that is high for a sensor."),
    Family::gauge("host_hwmon_temp_crit_celsius", "celsius", LABELS, "Temperature that is critical for a sensor."),
    Family::gauge(
        "host_thermal_zone_temp",
        "celsius",
        &["zone", "type"],
        "Temperature of a thermal zone, degrees Celsius.",
    ),
];
static ZONE: &Family = &FAMILIES[3];

/// Temperatures change slowly, and some sensors hang on a slow bus.
pub static ROW: Row = Row {
    name: "temperature",
    interval: std::time::Duration::from_secs(15),
    deadline: super::DEADLINE,
    on: true,
    families: &FAMILIES,
    start: Start::Host(reader),
};

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        let class = host.sys("class/hwmon");
        for name in names(&class)? {
            chip(&class.join(name), out)?;
        }
        let class = host.sys("class/thermal");
        for name in names(&class)?.iter().filter(|name| name.starts_with("thermal_zone")) {
            zone(&class.join(name), name.trim_start_matches("thermal_zone"), out)?;
        }
        Ok(())
    })
}

fn chip(path: &Path, out: &mut Readings) -> Result<(), Failure> {
    let chip = chip_name(path)?;
    for file in names(path)? {
        let Some(sensor) = file.strip_suffix("_input").filter(|sensor| sensor.starts_with("temp")) else { continue };
        for (family, what) in FAMILIES.iter().zip(["input", "max", "crit"]) {
            // A sensor that is broken or asleep answers with an error, the others still do.
            if let Ok(Some(millidegrees)) = number(&path.join(format!("{sensor}_{what}"))) {
                out.add(family, vec![chip.clone().into(), sensor.to_owned().into()], millidegrees / 1000.0);
            }
        }
    }
    Ok(())
}

/// Bus and address, as node_exporter names chips: unique, and the same after a restart.
fn chip_name(path: &Path) -> Result<String, Failure> {
    let clean = |part: Option<&std::ffi::OsStr>| {
        let part = part.unwrap_or_default().to_string_lossy().to_lowercase();
        let part: String = part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        part.trim_matches('_').to_owned()
    };
    if let Ok(device) = path.join("device").canonicalize() {
        return Ok(format!("{}_{}", clean(device.parent().and_then(Path::file_name)), clean(device.file_name())));
    }
    let name = text(&path.join("name"))?;
    Ok(name.map_or_else(|| clean(path.file_name()), |name| name.trim().to_owned()))
}

fn zone(path: &Path, zone: &str, out: &mut Readings) -> Result<(), Failure> {
    let kind = text(&path.join("type"))?.unwrap_or_default();
    if let Ok(Some(millidegrees)) = number(&path.join("temp")) {
        out.add(ZONE, vec![zone.to_owned().into(), kind.trim().to_owned().into()], millidegrees / 1000.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::sources::host::tests::exposed;

    #[test]
    fn sensors_and_zones() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |file: &str, text: &str| {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            std::fs::write(path, text).expect("a file");
        };
        write("devices/platform/coretemp.0/x", "");
        write("class/hwmon/hwmon0/temp1_input", "48500\n");
        write("class/hwmon/hwmon0/temp1_crit", "100000\n");
        write("class/hwmon/hwmon0/temp2_input", "broken\n");
        let device = dir.path().join("devices/platform/coretemp.0");
        std::os::unix::fs::symlink(device, dir.path().join("class/hwmon/hwmon0/device")).expect("a link");
        write("class/hwmon/hwmon1/name", "acpitz\n");
        write("class/hwmon/hwmon1/temp1_input", "-5000\n");
        write("class/thermal/thermal_zone3/type", "x86_pkg_temp\n");
        write("class/thermal/thermal_zone3/temp", "51000\n");
        let settings = config::Host { sys: dir.path().to_owned(), ..config::Host::default() };
        let mut out = Readings::default();
        reader(&Host::new(&settings))(&mut out).expect("files are read");
        assert_eq!(exposed(&out, "host_hwmon_temp_celsius{platform_coretemp_0,temp1}"), [48.5]);
        assert_eq!(exposed(&out, "host_hwmon_temp_crit_celsius{platform_coretemp_0,temp1}"), [100.0]);
        assert_eq!(exposed(&out, "host_hwmon_temp_celsius{acpitz,temp1}"), [-5.0]);
        assert_eq!(exposed(&out, "host_thermal_zone_temp{3,x86_pkg_temp}"), [51.0]);
        assert_eq!(out.values().len(), 4);
    }
}
