//! The fields of a `Lease`, read and written. Pure.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Empty: the lease was released.
    pub holder: String,
    /// `leaseDurationSeconds`: the time after a change in which no other replica may take the lease.
    pub duration: Option<Duration>,
    /// Differs after each renewal. Not compared with a clock, because it is from another machine's clock.
    pub renewed: String,
    /// Changes of the holder.
    pub transitions: i32,
}

pub fn read(lease: &Lease) -> LeaseRecord {
    let Some(spec) = &lease.spec else {
        return LeaseRecord::default();
    };
    LeaseRecord {
        holder: spec.holder_identity.clone().unwrap_or_default(),
        duration: spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        renewed: spec
            .renew_time
            .as_ref()
            .map(|time| time.0.to_string())
            .unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

/// A lease that was never held.
pub fn unheld(name: &str) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    }
}

/// The lease held by `me` and renewed `now`. Other fields stay, including the resourceVersion, with which a replace
/// fails if the lease has changed.
pub fn held(lease: &Lease, me: &str, duration: Duration, now: Timestamp) -> Lease {
    let before = read(lease);
    let was_mine = before.holder == me;
    let mut held = lease.clone();
    let spec = held.spec.get_or_insert_with(LeaseSpec::default);
    spec.holder_identity = Some(me.to_owned());
    spec.lease_duration_seconds = Some(whole_seconds(duration));
    spec.renew_time = Some(MicroTime(now));
    if !was_mine {
        spec.acquire_time = Some(MicroTime(now));
        let first = lease.spec.is_none();
        spec.lease_transitions = Some(if first { 0 } else { before.transitions.saturating_add(1) });
    }
    held
}

/// The lease without a holder. Its duration is one second, as client-go writes it.
pub fn released(lease: &Lease, now: Timestamp) -> Lease {
    let mut free = lease.clone();
    let spec = free.spec.get_or_insert_with(LeaseSpec::default);
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(now));
    free
}

/// Rounded up, so that no replica takes the lease too early.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn transitions_count_changes_of_the_holder_and_not_renewals() {
        let first = held(&unheld("l"), "a", Duration::from_secs(15), at(1));
        assert_eq!(read(&first).transitions, 0);
        let renewed = held(&first, "a", Duration::from_secs(15), at(2));
        assert_eq!(read(&renewed).transitions, 0);
        assert_eq!(renewed.spec.as_ref().unwrap().acquire_time.as_ref().unwrap().0, at(1));
        let taken = held(&renewed, "b", Duration::from_secs(15), at(3));
        assert_eq!(read(&taken).transitions, 1);
        assert_eq!(taken.spec.as_ref().unwrap().acquire_time.as_ref().unwrap().0, at(3));
        let free = released(&taken, at(4));
        assert_eq!((read(&free).holder.as_str(), read(&free).transitions), ("", 1));
    }

    #[test]
    fn other_fields_of_the_lease_stay() {
        let mut lease = unheld("l");
        lease.metadata.labels = Some([("team".to_owned(), "platform".to_owned())].into());
        lease.metadata.resource_version = Some("7".to_owned());
        let held = held(&lease, "a", Duration::from_millis(14_200), at(1));
        assert_eq!(held.metadata, lease.metadata);
        assert_eq!(held.spec.unwrap().lease_duration_seconds, Some(15));
    }
}
