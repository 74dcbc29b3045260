//! Amounts of CPU, memory and storage, and lengths of time.

use std::collections::BTreeMap;

use ras_crds::spec::Resources;
use ras_crds::{Duration, Quantity};

use super::field_errors::FieldErrors;
use crate::platform::Amounts;
use crate::valid::ValidResources;

/// Defaults of a container that says nothing: CPU request, memory request, memory limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) cpu: &'static str,
    pub(super) memory: &'static str,
    pub(super) memory_limit: &'static str,
}

/// Defaults of a service's program, as `spec.services[].resources` documents them.
pub(super) const PROGRAM: Defaults = Defaults {
    cpu: "100m",
    memory: "128Mi",
    memory_limit: "512Mi",
};
/// Defaults of a helper container, as `spec.services[].sidecars[].resources` documents them.
pub(super) const SIDECAR: Defaults = Defaults {
    cpu: "10m",
    memory: "32Mi",
    memory_limit: "128Mi",
};

/// Fills in what is absent, each of CPU and memory for itself. Memory always has a limit, because one
/// program without any can take its node down and every drive on it. A limit without a request is sent
/// alone: Kubernetes then takes it for the request, too.
pub(super) fn resources(
    field: &str,
    asked: Option<&Resources>,
    defaults: Defaults,
    found: &mut FieldErrors,
) -> ValidResources {
    let mut valid = ValidResources::default();
    if let Some(asked) = asked {
        let field = format!("{field}.resources");
        valid.requests = texts(&format!("{field}.requests"), &asked.requests, found);
        valid.limits = texts(&format!("{field}.limits"), &asked.limits, found);
        for (resource, request) in &asked.requests {
            let Some(limit) = asked.limits.get(resource) else {
                continue;
            };
            if let (Some(requested), Some(limited)) = (request.millis(), limit.millis())
                && requested > limited
            {
                found.invalid(
                    format!("{field}.requests.{resource}"),
                    format!("the request {request} exceeds the limit {limit}: lower it or raise the limit"),
                );
            }
        }
        for (resource, request) in &asked.requests {
            let is_device = resource.contains('/');
            let limit = asked.limits.get(resource);
            if (is_device || resource.starts_with("hugepages-"))
                && limit.is_none_or(|limit| limit.millis() != request.millis())
            {
                found.invalid(
                    format!("{field}.requests.{resource}"),
                    format!("needs a limit equal to the request {request}: set limits.{resource} to it, or remove the request"),
                );
            }
        }
        for (part, amounts) in [("requests", &asked.requests), ("limits", &asked.limits)] {
            for (resource, amount) in amounts.iter().filter(|(name, amount)| !are_whole_pages(name, amount)) {
                found.invalid(
                    format!("{field}.{part}.{resource}"),
                    format!("{amount} is not a number of whole pages: write hugepages-2Mi: 64Mi, for instance"),
                );
            }
        }
        if asked
            .limits
            .get("memory")
            .is_some_and(|limit| limit.millis() == Some(0))
        {
            found.invalid(
                format!("{field}.limits.memory"),
                "0 means no limit at all: name an amount, or leave it out for the default",
            );
        }
    }
    if !valid.requests.contains_key("cpu") && !valid.limits.contains_key("cpu") {
        valid.requests.insert("cpu".to_owned(), defaults.cpu.to_owned());
    }
    if !valid.limits.contains_key("memory") {
        let limit = if let Some(request) = valid.requests.get("memory") {
            request.clone()
        } else {
            valid.requests.insert("memory".to_owned(), defaults.memory.to_owned());
            defaults.memory_limit.to_owned()
        };
        valid.limits.insert("memory".to_owned(), limit);
    }
    valid
}

/// Amounts that the platform gave, and that were checked when its settings were read.
pub(super) fn given((requests, limits): Amounts) -> ValidResources {
    let texts = |amounts: BTreeMap<String, Quantity>| {
        amounts
            .into_iter()
            .map(|(name, amount)| (name, amount.as_str().to_owned()))
            .collect()
    };
    ValidResources {
        requests: texts(requests),
        limits: texts(limits),
    }
}

fn texts(field: &str, amounts: &BTreeMap<String, Quantity>, found: &mut FieldErrors) -> BTreeMap<String, String> {
    for (resource, amount) in amounts {
        let field = format!("{field}.{resource}");
        readable(&field, amount, found);
        let millis = amount.millis().unwrap_or_default();
        if resource.contains('/') {
            if millis % 1_000 != 0 {
                found.invalid(
                    field,
                    format!("{amount} is no whole number of devices: write a whole number such as 1"),
                );
            }
        } else if resource != "cpu" && (1..1_000).contains(&millis) {
            found.invalid(field, less_than_a_byte(amount));
        }
    }
    amounts
        .iter()
        .map(|(resource, amount)| (resource.clone(), amount.as_str().to_owned()))
        .collect()
}

fn less_than_a_byte(amount: &Quantity) -> String {
    format!(
        "{amount} is less than a byte, because m means thousandths of one: write 512Mi instead of 512m, for instance"
    )
}

/// Complains unless the amount is one that Kubernetes can read, below 8Ei.
fn readable(field: &str, amount: &Quantity, found: &mut FieldErrors) {
    const LIMIT: i128 = 8 * 1024_i128.pow(6) * 1_000;
    if amount.millis().is_none_or(|millis| !(0..LIMIT).contains(&millis)) {
        found.invalid(
            field,
            format!(
                "{amount:?} is no amount: write it like 250m, 512Mi or 20Gi",
                amount = amount.as_str()
            ),
        );
    }
}

/// An amount of storage, which has to be more than nothing.
pub(super) fn storage(field: &str, amount: &Quantity, found: &mut FieldErrors) -> String {
    readable(field, amount, found);
    if amount.millis() == Some(0) {
        found.invalid(field, "0 holds nothing: name an amount like 20Gi");
    } else if amount.millis().is_some_and(|millis| (1..1_000).contains(&millis)) {
        found.invalid(field, less_than_a_byte(amount));
    }
    amount.as_str().to_owned()
}

/// A length of time, which has to be more than nothing.
pub(super) fn seconds(field: &str, duration: &Duration, found: &mut FieldErrors) -> u64 {
    seconds_from(1, field, duration, found)
}

/// A length of time, which may be nothing.
pub(super) fn seconds_or_none(field: &str, duration: &Duration, found: &mut FieldErrors) -> u64 {
    seconds_from(0, field, duration, found)
}

fn seconds_from(least: u64, field: &str, duration: &Duration, found: &mut FieldErrors) -> u64 {
    // A year: what is longer is a mistake, and Prometheus counts in nanoseconds.
    const MAX: u64 = 366 * 86_400;
    match duration.seconds() {
        Some(seconds) if (least..=MAX).contains(&seconds) => seconds,
        Some(_) => {
            found.invalid(
                field,
                format!("{duration} is out of range: at least {least}s, at most 366d"),
            );
            1
        }
        None => {
            found.invalid(
                field,
                format!(
                    "{text:?} is no length of time: write it like 30s, 5m or 1h30m",
                    text = duration.as_str()
                ),
            );
            1
        }
    }
}

/// Whether an amount of huge pages is made of pages of the size that their name has. Of other resources it is.
fn are_whole_pages(resource: &str, amount: &Quantity) -> bool {
    let Some(size) = resource.strip_prefix("hugepages-") else {
        return true;
    };
    match (Quantity::new(size).millis(), amount.millis()) {
        (Some(page), Some(amount)) => page > 0 && page % 1000 == 0 && amount % page == 0,
        // That an amount is none is reported elsewhere.
        (Some(page), None) => page > 0,
        (None, _) => false,
    }
}
