//! Decides what to do with the lease. Pure.

use std::time::Duration;

use super::record::LeaseRecord;
use super::timing::Timing;

/// A time on this process's monotonic clock, from an arbitrary origin.
pub type Moment = Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedLease {
    pub record: LeaseRecord,
    /// When this process first saw this record.
    pub since: Moment,
}

impl ObservedLease {
    /// The observation after a read at `now`. An unchanged record was not renewed, so its time stays.
    pub fn after(before: Option<Self>, record: LeaseRecord, now: Moment) -> Self {
        match before {
            Some(before) if before.record == record => before,
            _ => Self { record, since: now },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// The lease does not exist.
    Create,
    /// It was released, or it expired.
    Take,
    Renew,
    /// Another replica holds it.
    Wait {
        /// When to decide again, unless the lease changes earlier.
        until: Moment,
    },
}

/// A lease with our own name is ours even if this process has just started: the identity is the pod's, and a container
/// restarts only after the previous one has ended. So a restart loses no time.
pub fn decide(seen: Option<&ObservedLease>, me: &str, timing: &Timing, now: Moment) -> LeaseAction {
    let Some(seen) = seen else { return LeaseAction::Create };
    let record = &seen.record;
    if record.holder.is_empty() {
        return LeaseAction::Take;
    }
    if record.holder == me {
        return LeaseAction::Renew;
    }
    // The holder's own duration, which may differ from our settings.
    let until = seen.since.saturating_add(record.duration.unwrap_or(timing.lease()));
    if now >= until {
        LeaseAction::Take
    } else {
        LeaseAction::Wait { until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Duration::from_secs(1_000);

    fn seen(holder: &str, duration: Option<u64>, seconds_ago: u64) -> ObservedLease {
        ObservedLease {
            record: LeaseRecord {
                holder: holder.to_owned(),
                duration: duration.map(Duration::from_secs),
                ..LeaseRecord::default()
            },
            since: NOW.saturating_sub(Duration::from_secs(seconds_ago)),
        }
    }

    fn action(seen: Option<&ObservedLease>) -> LeaseAction {
        decide(seen, "me", &Timing::default(), NOW)
    }

    #[test]
    fn a_missing_released_own_or_expired_lease_is_written() {
        assert_eq!(action(None), LeaseAction::Create);
        assert_eq!(action(Some(&seen("", Some(1), 0))), LeaseAction::Take);
        assert_eq!(action(Some(&seen("me", Some(15), 100))), LeaseAction::Renew);
        assert_eq!(action(Some(&seen("other", Some(15), 15))), LeaseAction::Take);
    }

    #[test]
    fn another_replicas_lease_is_left_alone_for_its_duration() {
        for (duration, ago, left) in [(Some(15), 14, 1), (Some(60), 14, 46), (None, 14, 1)] {
            let until = NOW + Duration::from_secs(left);
            assert_eq!(action(Some(&seen("other", duration, ago))), LeaseAction::Wait { until });
        }
    }

    #[test]
    fn only_a_changed_lease_starts_the_wait_again() {
        let before = seen("other", Some(15), 9);
        let same = ObservedLease::after(Some(before.clone()), before.record.clone(), NOW);
        assert_eq!(same.since, before.since);
        let renewed = LeaseRecord {
            renewed: "later".to_owned(),
            ..before.record.clone()
        };
        assert_eq!(ObservedLease::after(Some(before), renewed, NOW).since, NOW);
    }
}
