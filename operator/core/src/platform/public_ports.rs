use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{PlatformError, unusable};
use crate::cidr;

/// Which ports of drives may be reached from outside the cluster without HTTP, by load balancers. Absent: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PublicPortsConfig {
    /// Numbers and ranges such as `10000-10100`, at the load balancer. Absent: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Address ranges that may connect. `0.0.0.0/0` and `::/0` are everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_ranges: Vec<String>,
    /// Annotations of every Service that publishes ports, for the controller of load balancers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Class of the load balancers. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
}

impl PublicPortsConfig {
    /// Whether drives may publish the port.
    pub fn allows(&self, number: i32) -> bool {
        let mut ranges = self.ports.iter().filter_map(|text| range(text));
        ranges.any(|(first, last)| (first..=last).contains(&number))
    }
}

/// The first and the last port of `10000` or `10000-10100`.
fn range(text: &str) -> Option<(i32, i32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0).map(i32::from);
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

pub(super) fn check(config: &PublicPortsConfig) -> Result<(), PlatformError> {
    if let Some(text) = config.ports.iter().find(|text| range(text).is_none()) {
        return unusable(
            "publicPorts.ports",
            format!("has {text:?}, which is neither a port nor a range of ports: write it like 10000 or 10000-10100"),
        );
    }
    for text in &config.source_ranges {
        if let Err(why) = cidr::check(text) {
            return unusable("publicPorts.sourceRanges", format!("has {text:?}, which {why}"));
        }
    }
    if !config.ports.is_empty() && config.source_ranges.is_empty() {
        return unusable(
            "publicPorts.sourceRanges",
            "is empty, so nobody could connect to publicPorts.ports: name the address ranges, with 0.0.0.0/0 for everybody",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::platform::parse;

    #[test]
    fn ports_are_numbers_and_ranges() {
        let text = "publicPorts: {ports: ['3478', 10000-10100], sourceRanges: [0.0.0.0/0]}";
        let config = parse(text).unwrap().public_ports;
        for (number, allowed) in [
            (3478, true),
            (10000, true),
            (10100, true),
            (10101, false),
            (3479, false),
        ] {
            assert_eq!(config.allows(number), allowed, "{number}");
        }
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        for (text, field) in [
            ("{ports: ['0'], sourceRanges: [0.0.0.0/0]}", "publicPorts.ports"),
            ("{ports: ['9-1'], sourceRanges: [0.0.0.0/0]}", "publicPorts.ports"),
            ("{ports: ['70000'], sourceRanges: [0.0.0.0/0]}", "publicPorts.ports"),
            ("{ports: ['10000']}", "publicPorts.sourceRanges"),
            (
                "{ports: ['10000'], sourceRanges: [10.0.0.1/8]}",
                "publicPorts.sourceRanges",
            ),
        ] {
            let error = parse(&format!("publicPorts: {text}")).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
