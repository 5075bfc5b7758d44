//! The settings of money, time and numbers, taken from the configuration.

use crate::call::{BusinessSettings, Plan};
use crate::config::Config;

pub(super) fn settings(config: &Config) -> BusinessSettings {
    let numbering = &config.numbering;
    let country_code = numbering.country_code.as_deref();
    BusinessSettings {
        time_zone: config.site.time_zone.clone(),
        plan: Plan::new(country_code, &numbering.international_prefix, &numbering.trunk_prefix),
        rates: config.rates.clone(),
        callback_window_nanos: i64::try_from(config.calls.callback_window.as_nanos()).unwrap_or(i64::MAX),
        max_missed_calls: config.calls.max_missed_calls,
    }
}
