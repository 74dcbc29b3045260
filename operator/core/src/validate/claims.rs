//! Volumes that exist: their class and access mode never change, and they never get smaller. What a drive or the platform asks
//! for is measured by them and not by the drive's earlier spec, which may never have been carried out. Pure.

use ras_crds::Quantity;
use ras_crds::spec::AccessMode;

use super::field_errors::FieldErrors;
use crate::fetched::{ClusterStorage, LiveClaim};
use crate::platform::PlatformConfig;

/// The storage class to ask for. `asked` is the drive's own, `default` the platform's, which is for new volumes alone.
pub(super) fn class(
    field: &str,
    asked: Option<&String>,
    default: Option<&String>,
    live: Option<&LiveClaim>,
    found: &mut FieldErrors,
) -> Option<String> {
    let Some(live) = live else {
        return asked.or(default).cloned();
    };
    let class = &live.facts.class;
    differs(field, asked, class.as_ref(), found);
    // A class that the cluster filled in is not applied: what is left out here stays as it is.
    if live.applies_class {
        class.clone()
    } else {
        asked.cloned()
    }
}

/// The same of a `Cluster` of CloudNativePG.
pub(super) fn cluster_class(
    field: &str,
    asked: Option<&String>,
    default: Option<&String>,
    live: Option<&ClusterStorage>,
    found: &mut FieldErrors,
) -> Option<String> {
    let Some(live) = live else {
        return asked.or(default).cloned();
    };
    differs(field, asked, live.class.as_ref(), found);
    live.class.clone()
}

/// Complains about a class that the platform lets no drive name. Its own needs no list.
pub(super) fn allowed(field: &str, asked: Option<&String>, platform: &PlatformConfig, found: &mut FieldErrors) {
    let Some(asked) = asked.filter(|asked| Some(*asked) != platform.storage.class_name.as_ref()) else {
        return;
    };
    if !platform.tenancy.allows_storage_class(asked) {
        found.invalid(
            format!("{field}.storageClassName"),
            format!(
                "{asked:?} is not among the platform's tenancy.storageClasses: name one of them, remove the field, or ask the platform \
                 team to add it"
            ),
        );
    }
}

fn differs(field: &str, asked: Option<&String>, class: Option<&String>, found: &mut FieldErrors) {
    if let Some(asked) = asked
        && class != Some(asked)
    {
        let has = class.map_or_else(
            || "no storage class".to_owned(),
            |class| format!("the storage class {class:?}"),
        );
        found.invalid(
            format!("{field}.storageClassName"),
            format!(
                "the volume exists and has {has}, which cannot change: remove the field, which keeps it, or add a volume with another \
                 name and copy the data"
            ),
        );
    }
}

/// Complains where the volume that exists can be mounted otherwise than asked.
pub(super) fn access_mode(field: &str, asked: AccessMode, live: Option<&LiveClaim>, found: &mut FieldErrors) {
    let Some(live) = live else { return };
    let modes = &live.facts.access_modes;
    if !modes.is_empty() && *modes != [asked.as_str()] {
        found.invalid(
            format!("{field}.accessMode"),
            format!(
                "the volume exists and has {}, which cannot change: set that, or add a volume with another name and copy the data",
                modes.join(", ")
            ),
        );
    }
}

/// The size to ask for, of a volume that is to have `asked`.
pub(super) fn size(field: &str, asked: String, live: Option<&LiveClaim>, found: &mut FieldErrors) -> String {
    let Some(live) = live else { return asked };
    let facts = &live.facts;
    let (Some(wanted), Some(requested)) = (bytes(&asked), bytes(&facts.requested)) else {
        return asked;
    };
    // Kubernetes changes the size of bound volumes alone. It is asked for once this one is.
    if !facts.bound || wanted.checked_add(1) == Some(requested) {
        return facts.requested.clone();
    }
    if wanted >= requested {
        return asked;
    }
    // It was to grow and did not, or not yet: that can be taken back as far as what it has.
    match facts.capacity.as_deref().and_then(bytes) {
        Some(has) if has < requested && wanted > has => asked,
        // Kubernetes takes back a request to anything above what the volume has, but not to just that.
        Some(has) if has < requested && wanted == has => has.saturating_add(1).to_string(),
        has => {
            let has = facts
                .capacity
                .as_ref()
                .filter(|_| has.is_some_and(|has| has < requested));
            too_small(field, has.unwrap_or(&facts.requested), found);
            asked
        }
    }
}

/// The same of a `Cluster` of CloudNativePG, which makes its volumes itself and refuses to make them smaller.
pub(super) fn cluster_size(
    field: &str,
    asked: String,
    live: Option<&ClusterStorage>,
    found: &mut FieldErrors,
) -> String {
    if let Some(live) = live
        && let (Some(wanted), Some(has)) = (bytes(&asked), bytes(&live.size))
        && wanted < has
    {
        too_small(field, &live.size, found);
    }
    asked
}

fn too_small(field: &str, has: &str, found: &mut FieldErrors) {
    found.invalid(
        format!("{field}.size"),
        format!("the volume has {has}, and Kubernetes cannot make it smaller: set {has} or more, or add a volume with another name and copy the data"),
    );
}

fn bytes(amount: &str) -> Option<i128> {
    Some(Quantity::new(amount).millis()? / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetched::ClaimFacts;

    fn live(requested: &str, capacity: Option<&str>) -> LiveClaim {
        LiveClaim {
            facts: ClaimFacts {
                class: Some("old".to_owned()),
                access_modes: vec!["ReadWriteOnce".to_owned()],
                requested: requested.to_owned(),
                capacity: capacity.map(str::to_owned),
                bound: capacity.is_some(),
            },
            applies_class: true,
        }
    }

    fn sized(asked: &str, live: &LiveClaim) -> Result<String, String> {
        let mut found = FieldErrors::default();
        let size = size("volume", asked.to_owned(), Some(live), &mut found);
        found
            .into_problems()
            .pop()
            .map_or(Ok(size), |problem| Err(problem.to_string()))
    }

    #[test]
    fn a_volume_grows_and_a_growth_that_never_came_is_taken_back() {
        let grown = live("20Gi", Some("20Gi"));
        assert_eq!(sized("30Gi", &grown).as_deref(), Ok("30Gi"));
        assert_eq!(sized("20480Mi", &grown).as_deref(), Ok("20480Mi"));
        // A volume may be larger than what was asked for, from its first moment.
        assert_eq!(sized("1Gi", &live("1Gi", Some("5Gi"))).as_deref(), Ok("1Gi"));
        let pending = live("20Gi", Some("10Gi"));
        assert_eq!(sized("15Gi", &pending).as_deref(), Ok("15Gi"));
        assert_eq!(sized("10Gi", &pending).as_deref(), Ok("10737418241"));
        // Whatever became of it then, it is what was asked for.
        for capacity in ["10Gi", "11Gi"] {
            let taken_back = live("10737418241", Some(capacity));
            assert_eq!(sized("10Gi", &taken_back).as_deref(), Ok("10737418241"));
        }
        // One that has no volume yet keeps its size until it has.
        assert_eq!(sized("15Gi", &live("20Gi", None)).as_deref(), Ok("20Gi"));
    }

    #[test]
    fn what_a_volume_has_is_never_taken_away() {
        for (asked, requested, capacity, has) in [
            ("10Gi", "20Gi", "20Gi", "set 20Gi or more"),
            ("9Gi", "20Gi", "10Gi", "set 10Gi or more"),
            ("1Gi", "2Gi", "5Gi", "set 2Gi or more"),
        ] {
            let error = sized(asked, &live(requested, Some(capacity))).unwrap_err();
            assert!(error.starts_with("volume.size: ") && error.contains(has), "{error}");
        }
    }

    #[test]
    fn the_platforms_class_is_for_new_volumes_alone() {
        let new = "new".to_owned();
        let kept = |asked: Option<&String>, live: Option<&LiveClaim>| {
            let mut found = FieldErrors::default();
            let class = class("volume", asked, Some(&new), live, &mut found);
            found
                .into_problems()
                .pop()
                .map_or(Ok(class), |problem| Err(problem.to_string()))
        };
        assert_eq!(kept(None, None), Ok(Some("new".to_owned())));
        let applied = live("1Gi", Some("1Gi"));
        assert_eq!(kept(None, Some(&applied)), Ok(Some("old".to_owned())));
        assert_eq!(
            kept(Some(&"old".to_owned()), Some(&applied)),
            Ok(Some("old".to_owned()))
        );
        let filled_in = LiveClaim {
            applies_class: false,
            ..live("1Gi", Some("1Gi"))
        };
        assert_eq!(kept(None, Some(&filled_in)), Ok(None));
        let error = kept(Some(&new), Some(&applied)).unwrap_err();
        assert!(
            error.contains("volume.storageClassName") && error.contains("has the storage class \"old\""),
            "{error}"
        );
    }
}
