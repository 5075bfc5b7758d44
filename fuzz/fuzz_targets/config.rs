#![no_main]

use sidetone::config::Config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(errors) = Config::parse(text, "fuzz.toml") {
        assert!(!errors.to_string().is_empty());
    }
});
