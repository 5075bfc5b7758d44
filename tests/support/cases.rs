//! How property tests run: so many cases, and what failed once is kept beside the test and tried first.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::FileFailurePersistence;

pub fn cases(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(persistence)), ..ProptestConfig::default() }
}
