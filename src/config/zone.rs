//! Time zones by their names in the IANA database.

use jiff::tz::{self, TimeZone, TimeZoneDatabase};

use super::value::{Checked, Value, mismatch, nearest, string};

/// A zone of the system's database, or else of the one that this program brings along.
pub(super) fn time_zone(value: Value<'_>) -> Checked<TimeZone> {
    let name = string(value.clone())?;
    if let Ok(zone) = tz::db().get(&name) {
        return Ok(zone);
    }
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // `London` for `Europe/London`, `New York` for `America/New_York`.
    let city = name.replace(' ', "_").to_lowercase();
    let of_city = |zone: &&&str| zone.to_lowercase().rsplit('/').next() == Some(city.as_str());
    let hint = match names.iter().find(of_city).copied().or_else(|| nearest(&name, &names)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "write a name of the IANA database, as in \"Europe/London\" or \"UTC\"".to_owned(),
    };
    mismatch(&value, "a time zone", hint)
}
