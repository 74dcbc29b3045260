//! What to do about the lease next. Pure.

use std::time::Duration;

use super::record::Record;
use super::timing::Timing;

/// A moment on this process's own clock, counted from some origin of its own.
pub type Moment = Duration;

/// A lease as this process saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it said.
    pub record: Record,
    /// When this process first saw it say so.
    pub since: Moment,
}

impl Seen {
    /// What is known after the lease was looked at `now`. A lease that says what it said before was not renewed, so the
    /// time since then goes on.
    pub fn after(before: Option<Self>, record: Record, now: Moment) -> Self {
        match before {
            Some(before) if before.record == record => before,
            _ => Self { record, since: now },
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no lease: make it.
    Create,
    /// It is free, or its holder was not heard of for long enough: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Somebody holds it, until this moment at least.
    Wait {
        /// When to decide anew, unless the lease changes before.
        until: Moment,
    },
}

/// What the replica `me` does about the lease.
///
/// A lease in our own name is ours even if this process has just begun: the identity is the pod's, and a pod's container
/// starts again only after it has ended. So a restart loses no time.
pub fn decide(seen: Option<&Seen>, me: &str, timing: &Timing, now: Moment) -> Step {
    let Some(seen) = seen else { return Step::Create };
    let record = &seen.record;
    if record.holder.is_empty() {
        return Step::Take;
    }
    if record.holder == me {
        return Step::Renew;
    }
    // The holder's own promise, for it may have been started with other settings.
    let until = seen.since.saturating_add(record.promised.unwrap_or(timing.lease()));
    if now >= until { Step::Take } else { Step::Wait { until } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Duration::from_secs(1_000);

    fn seen(holder: &str, promised: Option<u64>, seconds_ago: u64) -> Seen {
        Seen {
            record: Record {
                holder: holder.to_owned(),
                promised: promised.map(Duration::from_secs),
                ..Record::default()
            },
            since: NOW.saturating_sub(Duration::from_secs(seconds_ago)),
        }
    }

    fn step(seen: Option<&Seen>) -> Step {
        decide(seen, "me", &Timing::default(), NOW)
    }

    #[test]
    fn a_lease_that_is_missing_free_ours_or_run_out_is_ours_to_write() {
        assert_eq!(step(None), Step::Create);
        assert_eq!(step(Some(&seen("", Some(1), 0))), Step::Take);
        assert_eq!(step(Some(&seen("me", Some(15), 100))), Step::Renew);
        assert_eq!(step(Some(&seen("other", Some(15), 15))), Step::Take);
    }

    #[test]
    fn another_ones_lease_is_left_alone_for_as_long_as_it_says() {
        for (promised, ago, left) in [(Some(15), 14, 1), (Some(60), 14, 46), (None, 14, 1)] {
            let until = NOW + Duration::from_secs(left);
            assert_eq!(step(Some(&seen("other", promised, ago))), Step::Wait { until });
        }
    }

    #[test]
    fn only_a_lease_that_says_something_else_is_waited_for_anew() {
        let before = seen("other", Some(15), 9);
        let same = Seen::after(Some(before.clone()), before.record.clone(), NOW);
        assert_eq!(same.since, before.since);
        let renewed = Record {
            renewed: "later".to_owned(),
            ..before.record.clone()
        };
        assert_eq!(Seen::after(Some(before), renewed, NOW).since, NOW);
    }
}
