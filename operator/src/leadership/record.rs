//! What a `Lease` says, read and written.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

/// What decides: who holds the lease, and for how long it is not to be taken after a renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty when it was given back.
    pub holder: String,
    /// How long it is to be left alone after it changed. Absent: it does not say.
    pub promised: Option<Duration>,
    /// Differs after each renewal. Not a time to compare with: it is of another machine's clock.
    pub renewed: String,
    /// How often it changed hands.
    pub transitions: i32,
}

/// What a lease says.
pub fn read(lease: &Lease) -> Record {
    let Some(spec) = &lease.spec else {
        return Record::default();
    };
    Record {
        holder: spec.holder_identity.clone().unwrap_or_default(),
        promised: spec
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

/// A lease that nobody had.
pub fn fresh(name: &str) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    }
}

/// The lease in the hands of `me`, renewed `now`. What others wrote beside stays, and so does its resourceVersion: a
/// replace with it fails when somebody else was quicker.
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

/// The lease given back. One second, as client-go writes it: there is nobody to wait for.
pub fn given_back(lease: &Lease, now: Timestamp) -> Lease {
    let mut free = lease.clone();
    let spec = free.spec.get_or_insert_with(LeaseSpec::default);
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(now));
    free
}

/// Rounded up, so that nobody takes it earlier than was meant.
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
    fn transitions_count_changes_of_hands_and_not_renewals() {
        let first = held(&fresh("l"), "a", Duration::from_secs(15), at(1));
        assert_eq!(read(&first).transitions, 0);
        let renewed = held(&first, "a", Duration::from_secs(15), at(2));
        assert_eq!(read(&renewed).transitions, 0);
        assert_eq!(renewed.spec.as_ref().unwrap().acquire_time.as_ref().unwrap().0, at(1));
        let taken = held(&renewed, "b", Duration::from_secs(15), at(3));
        assert_eq!(read(&taken).transitions, 1);
        assert_eq!(taken.spec.as_ref().unwrap().acquire_time.as_ref().unwrap().0, at(3));
        let free = given_back(&taken, at(4));
        assert_eq!((read(&free).holder.as_str(), read(&free).transitions), ("", 1));
    }

    #[test]
    fn what_others_wrote_on_the_lease_stays() {
        let mut lease = fresh("l");
        lease.metadata.labels = Some([("team".to_owned(), "platform".to_owned())].into());
        lease.metadata.resource_version = Some("7".to_owned());
        let held = held(&lease, "a", Duration::from_millis(14_200), at(1));
        assert_eq!(held.metadata, lease.metadata);
        assert_eq!(held.spec.unwrap().lease_duration_seconds, Some(15));
    }
}
