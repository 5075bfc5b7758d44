//! Services of others, asked as a caller of theirs would: HTTP, TCP, TLS, DNS, ICMP, SIP. The names are blackbox_exporter's.

mod answer;
mod dial;
mod dns;
mod http;
mod icmp;
mod sheet;
mod sip;
mod tcp;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::keeper::{Instance, Sampling, Source};
use super::{Failure, Readings, Reason, Row, Start};
use crate::call::matches;
use crate::config::{Config, Probe as Settings, ProbeKind, Target};

use sheet::{FAMILIES, Sheet};

pub static ROW: Row = Row {
    name: "probe",
    interval: Duration::from_secs(30),
    deadline: Duration::from_secs(5),
    on: true,
    families: &FAMILIES,
    start: Start::Each(instances),
};

/// For what comes beside the attempts: other probes that are waited for, and the clean-up.
const MARGIN: Duration = Duration::from_secs(30);

/// Between two attempts a part of the timeout passes: what fails for a moment fails again at once.
const PAUSE: u32 = 10;

fn instances(config: &Config) -> Vec<Instance> {
    let gate = Arc::new(Semaphore::new(config.sources.max_probes));
    let probes = config.probes.iter().filter_map(|settings| Some((settings, settings.target.clone()?)));
    let instance = |(settings, target): (&Settings, Target)| {
        let settings = Arc::new(settings.clone());
        let attempts = u32::try_from(settings.retries).unwrap_or(0) + 1;
        let mut down = Sheet::new(&settings);
        down.set(&FAMILIES[sheet::SUCCESS], 0.0);
        let gate = Arc::clone(&gate);
        let tally = Arc::new(Tally::default());
        Instance {
            name: format!("probe:{}", settings.name),
            interval: settings.interval,
            deadline: settings.timeout * attempts + MARGIN,
            down: down.readings,
            make: Box::new(move || {
                let prober = Prober { settings: Arc::clone(&settings), gate: Arc::clone(&gate) };
                Box::new(Asking { prober, target: target.clone(), tally: Arc::clone(&tally) })
            }),
        }
    };
    probes.map(instance).collect()
}

/// A probe with a target of its own.
struct Asking {
    prober: Prober,
    target: Target,
    tally: Arc<Tally>,
}

/// Attempts since the agent runs, by what came of them.
#[derive(Default)]
struct Tally([AtomicU64; 3]);

impl Tally {
    const NAMES: [&str; 3] = ["success", "failure", "timeout"];

    fn count(&self, attempt: &Result<(), Failure>) {
        let at = match attempt {
            Ok(()) => 0,
            Err(failure) if failure.reason == Reason::Timeout => 2,
            Err(_) => 1,
        };
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    fn write(&self, sheet: &mut Sheet) {
        for (name, count) in Self::NAMES.iter().zip(&self.0) {
            sheet.set_of(&FAMILIES[sheet::ATTEMPTS], *name, count.load(Ordering::Relaxed) as f64);
        }
    }
}

impl Source for Asking {
    fn sample(&mut self) -> Sampling<'_> {
        Box::pin(async move { Ok(self.prober.ask(&self.target, &Permission::All, &self.tally).await) })
    }
}

/// Whom a probe may ask. A server that redirects must not lead where the configuration does not.
pub enum Permission {
    All,
    /// Hosts and ports that fit one of these patterns.
    Some(Vec<String>),
}

impl Permission {
    fn includes(&self, target: &Target) -> bool {
        let Permission::Some(patterns) = self else { return true };
        let name = format!("{}:{}", target.host(), target.port());
        patterns.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
    }
}

/// Asks as one section of the configuration says.
struct Prober {
    settings: Arc<Settings>,
    gate: Arc<Semaphore>,
}

impl Prober {
    /// Asks until there is a good answer, or no attempt is left. Says what the last attempt saw.
    async fn ask(&self, target: &Target, permission: &Permission, tally: &Tally) -> Readings {
        // It is never closed, and without it nothing is lost.
        let _permit = self.gate.acquire().await.ok();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut sheet = Sheet::new(&self.settings);
            let started = Instant::now();
            let answer =
                tokio::time::timeout(self.settings.timeout, self.attempt(target, permission, &mut sheet)).await;
            let answer = answer.unwrap_or_else(|_| Err(Failure::late(self.settings.timeout)));
            tally.count(&answer);
            let failure = answer.err();
            if failure.is_some() && attempts <= self.settings.retries {
                tokio::time::sleep(self.settings.timeout / PAUSE).await;
                continue;
            }
            sheet.set(&FAMILIES[sheet::SUCCESS], f64::from(u8::from(failure.is_none())));
            sheet.set(&FAMILIES[sheet::DURATION], started.elapsed().as_secs_f64());
            tally.write(&mut sheet);
            if let Some(failure) = failure {
                sheet.readings.complain(failure);
            }
            return sheet.readings;
        }
    }

    async fn attempt(&self, target: &Target, permission: &Permission, sheet: &mut Sheet) -> Result<(), Failure> {
        let settings = &self.settings;
        if !permission.includes(target) {
            return Err(Failure::new(Reason::Permission, format_args!("{} is no allowed target", target.host())));
        }
        match (settings.kind, target) {
            (ProbeKind::Http, Target::Url(url)) => http::ask(settings, url, permission, sheet).await,
            (ProbeKind::Tcp | ProbeKind::Tls, _) => tcp::ask(settings, target, sheet).await,
            (ProbeKind::Dns, _) => dns::ask(settings, target, sheet).await,
            (ProbeKind::Icmp, _) => icmp::ask(settings, target, sheet).await,
            (ProbeKind::Sip, _) => sip::ask(settings, target, sheet).await,
            (ProbeKind::Http, Target::Host { .. }) => Err(Failure::new(Reason::Answer, "the target is no URL")),
        }
    }
}

/// A number that strangers cannot guess.
fn random() -> u64 {
    use std::hash::BuildHasher as _;
    std::hash::RandomState::new().hash_one(Instant::now())
}

/// Asks what somebody names in a request to `/probe`.
pub struct Modules {
    modules: Vec<Arc<Settings>>,
    gate: Arc<Semaphore>,
}

/// Why a request to `/probe` is not done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("name a module and a target: /probe?module=NAME&target=TARGET")]
    Incomplete,
    #[error("no such module; [[probes]] sections with allowed_targets are modules")]
    UnknownModule,
    #[error("the target must be {0}")]
    Malformed(&'static str),
    #[error("the module's allowed_targets do not have this target")]
    Forbidden,
}

impl Modules {
    pub fn new(config: &Config) -> Modules {
        let modules = config.probes.iter().filter(|settings| !settings.allowed_targets.is_empty());
        Modules {
            modules: modules.map(|settings| Arc::new(settings.clone())).collect(),
            gate: Arc::new(Semaphore::new(config.sources.max_probes)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Asks `target` as `module` says, within `limit`.
    pub async fn ask(&self, module: &str, target: &str, limit: Duration) -> Result<Readings, Refusal> {
        if module.is_empty() || target.is_empty() {
            return Err(Refusal::Incomplete);
        }
        let settings = self.modules.iter().find(|settings| settings.name == module).ok_or(Refusal::UnknownModule)?;
        let target = Target::parse(settings.kind, settings.sip.transport, target).map_err(Refusal::Malformed)?;
        let permission = Permission::Some(settings.allowed_targets.clone());
        if !permission.includes(&target) {
            return Err(Refusal::Forbidden);
        }
        let prober = Prober { settings: Arc::clone(settings), gate: Arc::clone(&self.gate) };
        let asked = tokio::time::timeout(limit, prober.ask(&target, &permission, &Tally::default())).await;
        Ok(asked.unwrap_or_else(|_| {
            let mut sheet = Sheet::new(settings);
            sheet.set(&FAMILIES[sheet::SUCCESS], 0.0);
            sheet.set(&FAMILIES[sheet::DURATION], limit.as_secs_f64());
            sheet.readings.complain(Failure::late(limit));
            sheet.readings
        }))
    }
}
