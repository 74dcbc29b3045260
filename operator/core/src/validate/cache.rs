//! What programs learn of the drive's cache.

use ras_crds::RecruitmentDrive;
use ras_crds::spec::{CacheKey, EnvVar, Uses};

use super::field_errors::FieldErrors;
use super::quantity;
use crate::cache::{NAME, PASSWORD, PORT};
use crate::names as child;
use crate::valid::{EnvSource, SecretOrigin, UsedSecret, ValidEnv};

/// Least memory of the pod, in bytes: the program alone takes some.
const LEAST: i128 = 32 * 1024 * 1024;

/// The drive's cache as programs see it.
pub(super) struct Cache {
    host: String,
    secret: UsedSecret,
}

impl Cache {
    /// Reads `spec.cache`.
    pub(super) fn read(drive: &RecruitmentDrive, found: &mut FieldErrors) -> Option<Self> {
        let asked = drive.spec.cache.as_ref()?;
        if let Some(memory) = &asked.memory {
            let field = "spec.cache.memory";
            let bytes = quantity::storage(field, memory, found);
            let bytes = ras_crds::Quantity::new(bytes).millis().unwrap_or_default() / 1_000;
            if bytes < LEAST {
                found.invalid(field, format!("{memory} is too little for a cache: 32Mi at least"));
            }
        }
        let name = drive.metadata.name.as_deref().unwrap_or_default();
        Some(Self {
            host: child::of_service(name, NAME),
            secret: UsedSecret {
                name: NAME.to_owned(),
                secret_name: child::secret(name, NAME),
                origin: SecretOrigin::Generated,
            },
        })
    }

    fn password(&self) -> EnvSource {
        EnvSource::Secret {
            secret: self.secret.clone(),
            key: PASSWORD.to_owned(),
        }
    }

    /// Where a variable's value comes from. An address refers to the password in a variable that stands before it.
    fn source(&self, key: CacheKey, password: &str) -> EnvSource {
        EnvSource::Value(match key {
            CacheKey::Url => format!("redis://:$({password})@{}:{PORT}/0", self.host),
            CacheKey::Host => self.host.clone(),
            CacheKey::Port => PORT.to_string(),
            CacheKey::Password => return self.password(),
        })
    }
}

/// Name of the variable with the password: another one where the program has a variable of that name.
fn password_variable(own: &[EnvVar]) -> &'static str {
    if own.iter().any(|variable| variable.name == "CACHE_PASSWORD") {
        "RAS_CACHE_PASSWORD"
    } else {
        "CACHE_PASSWORD"
    }
}

/// The variables that come before a program's own: those it uses by default, and the password where its own need it.
pub(super) fn defaults(cache: Option<&Cache>, uses: Option<&Uses>, own: &[EnvVar]) -> Vec<ValidEnv> {
    let Some(cache) = cache else { return Vec::new() };
    let by_default = uses.is_some_and(|uses| uses.cache == Some(true));
    let in_own = own.iter().any(|variable| variable.cache == Some(CacheKey::Url));
    let password = password_variable(own);
    let mut variables = Vec::new();
    if by_default || in_own {
        variables.push((password, cache.password()));
    }
    if by_default {
        for (name, key) in [
            ("CACHE_HOST", CacheKey::Host),
            ("CACHE_PORT", CacheKey::Port),
            ("REDIS_URL", CacheKey::Url),
        ] {
            variables.push((name, cache.source(key, password)));
        }
    }
    variables
        .into_iter()
        .filter(|(name, _)| own.iter().all(|variable| variable.name != *name))
        .map(|(name, source)| ValidEnv::new(name, source))
        .collect()
}

/// Where the value of one of a program's `own` variables comes from.
pub(super) fn variable(
    cache: Option<&Cache>,
    field: &str,
    key: CacheKey,
    own: &[EnvVar],
    found: &mut FieldErrors,
) -> Option<EnvSource> {
    if cache.is_none() {
        missing(&format!("{field}.cache"), found);
    }
    Some(cache?.source(key, password_variable(own)))
}

/// Complains about a cache that is used and not there.
pub(super) fn missing(field: &str, found: &mut FieldErrors) {
    found.invalid(
        field,
        "the drive has no cache: add `cache: {}` to the spec, or remove this",
    );
}
