//! Decides when generated values rotate. Pure. It knows when they were generated and which freeze windows there are, but not the
//! values.
//!
//! | state | when | next |
//! |---|---|---|
//! | `Unscheduled` | no period, and no request | `Now` or `Waits`: a request |
//! | `At` | the period has not passed | `Now` or `Waits`: it has |
//! | `Waits` | due or requested, within a freeze window or while the drive is open | `Now`: the window ends, the drive is closed or suspended |
//! | `Now` | due or requested, and permitted | `Unscheduled` or `At`: `apply` writes new values, with the time |
//!
//! Clocks cannot cause a loop: a rotation records its time, and within one period before or after that time nothing is due again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::fetched::Fetched;
use crate::valid::{Freeze, GeneratedSecret, Policy, ValidDrive};

/// Most seconds by which drives that were made together rotate apart, so that a cluster of them does not restart at once.
const MOST_SPREAD: u64 = 3_600;
/// Most seconds by which something rotates early because something else of the drive rotates now.
const MOST_EARLY: u64 = 86_400;

/// Longest time to sleep before looking at the clock again.
const LONGEST_SLEEP: Duration = Duration::from_hours(12);

/// The time now, and the freeze windows of the drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    pub now: Timestamp,
    pub open: bool,
    /// Times in which nothing rotates.
    pub freezes: Vec<Freeze>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationSchedule {
    /// Not by itself.
    Unscheduled,
    /// At this time.
    At(Timestamp),
    /// It would, and something forbids it.
    Waits {
        /// Its end, if the calendar has one.
        until: Option<Timestamp>,
        /// The reason, as text.
        why: String,
    },
    Now,
}

impl RotationSchedule {
    /// When it comes to it, where that is known.
    pub fn next(&self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at),
            Self::Waits { until, .. } => *until,
            Self::Unscheduled | Self::Now => None,
        }
    }
}

impl Calendar {
    pub fn of(drive: &ValidDrive, now: Timestamp) -> Self {
        Self {
            now,
            open: !drive.suspended,
            freezes: drive.freezes.clone(),
        }
    }

    /// When values generated at `last` rotate, by request (`asked`) or by their period. `drive` spreads drives that
    /// were created together; all values of one drive share it.
    pub fn schedule(&self, policy: Policy, last: Timestamp, asked: bool, drive: &str) -> RotationSchedule {
        let due = policy.every.map(|every| due(last, every, drive, self.now));
        match due {
            _ if asked => self.permit(policy, "it was asked to rotate"),
            None => RotationSchedule::Unscheduled,
            Some(due) if due <= self.now => self.permit(policy, "it is due to rotate"),
            Some(due) => RotationSchedule::At(self.after_freezes(due).map_or(due, |(ends_at, _)| ends_at)),
        }
    }

    /// Rotates values that are due soon together with those that are due now, so that one rollout is enough.
    pub fn together<'a>(&self, all: impl IntoIterator<Item = (&'a mut RotationSchedule, Policy)>) {
        let mut all: Vec<_> = all.into_iter().collect();
        if !all.iter().any(|(schedule, _)| **schedule == RotationSchedule::Now) {
            return;
        }
        for (schedule, policy) in &mut all {
            let (RotationSchedule::At(at), Some(every)) = (&**schedule, policy.every) else {
                continue;
            };
            let early = (every / 10).min(MOST_EARLY);
            let is_soon = at.duration_since(self.now) <= seconds(early);
            if is_soon && self.permit(*policy, "") == RotationSchedule::Now {
                **schedule = RotationSchedule::Now;
            }
        }
    }

    /// When `wish` may happen.
    pub fn permit(&self, policy: Policy, wish: &str) -> RotationSchedule {
        if let Some((ends_at, freeze)) = self.after_freezes(self.now) {
            return RotationSchedule::Waits {
                until: Some(ends_at),
                why: format!(
                    "{wish}, and waits for the end of the freeze {:?} at {ends_at}",
                    freeze.name
                ),
            };
        }
        if policy.keep_while_open && self.open {
            return RotationSchedule::Waits {
                until: None,
                why: format!("{wish}, and waits until the drive is closed or suspended, because keepWhileOpen is true"),
            };
        }
        RotationSchedule::Now
    }

    /// The end of the freeze that this time falls into, and of those that follow without a gap; with the last of them.
    fn after_freezes(&self, time: Timestamp) -> Option<(Timestamp, &Freeze)> {
        let mut end: Option<(Timestamp, &Freeze)> = None;
        // Each round ends a freeze later, so there are no more rounds than freezes.
        for _ in &self.freezes {
            let at = end.map_or(time, |(at, _)| at);
            let Some(next) = self
                .freezes
                .iter()
                .filter(|freeze| freeze.starts_at <= at && at < freeze.ends_at)
                .max_by_key(|freeze| freeze.ends_at)
            else {
                break;
            };
            end = Some((next.ends_at, next));
        }
        end
    }
}

/// The schedule of each generated secret, by its name in the drive.
pub fn schedules(drive: &ValidDrive, fetched: &Fetched, calendar: &Calendar) -> BTreeMap<String, RotationSchedule> {
    let uid = drive.uid.as_deref().unwrap_or_default();
    let of = |secret: &GeneratedSecret| {
        // One that is not there is made, and then as new as can be.
        let facts = fetched.secrets.get(&secret.secret_name)?;
        let asked = secret.request.is_some() && facts.rotated_for != secret.request;
        Some(calendar.schedule(secret.policy, facts.drawn_at?, asked, uid))
    };
    let mut schedules: BTreeMap<String, (RotationSchedule, Policy)> = drive
        .generated_secrets
        .iter()
        .map(|secret| {
            let schedule = of(secret).unwrap_or(RotationSchedule::Unscheduled);
            (secret.name.clone(), (schedule, secret.policy))
        })
        .collect();
    calendar.together(schedules.values_mut().map(|(schedule, policy)| (schedule, *policy)));
    schedules
        .into_iter()
        .map(|(name, (schedule, _))| (name, schedule))
        .collect()
}

/// When values generated at `last` are due. A time more than a whole period ahead was written by a wrong clock and is
/// ignored.
fn due(last: Timestamp, every: u64, drive: &str, now: Timestamp) -> Timestamp {
    let period = seconds(every);
    if last.duration_since(now) > period {
        return now;
    }
    let mut hasher = DefaultHasher::new();
    drive.hash(&mut hasher);
    let spread = hasher.finish() % (every / 20).clamp(1, MOST_SPREAD);
    let later = |time: Timestamp, by: u64| time.checked_add(seconds(by)).unwrap_or(Timestamp::MAX);
    later(later(last, every), spread)
}

/// How long to sleep until `at`. Half a day at most: a wall clock that is put right meanwhile is noticed then.
pub fn wait_for(at: Timestamp, now: Timestamp) -> Duration {
    let left = at.duration_since(now).max(SignedDuration::from_secs(1));
    left.unsigned_abs().min(LONGEST_SLEEP)
}

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const QUARTERLY: Policy = Policy {
        every: Some(90 * DAY),
        keep_while_open: false,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn days(time: &str, count: i64) -> Timestamp {
        at(time) + SignedDuration::from_secs(count * 86_400)
    }

    fn calendar(now: Timestamp, freezes: &[(&str, &str)]) -> Calendar {
        let freezes = freezes.iter().enumerate().map(|(index, (starts_at, ends_at))| Freeze {
            name: format!("f{index}"),
            starts_at: at(starts_at),
            ends_at: at(ends_at),
        });
        Calendar {
            now,
            open: true,
            freezes: freezes.collect(),
        }
    }

    const DRAWN: &str = "2026-07-01T00:00:00Z";

    #[test]
    fn values_rotate_when_their_time_is_over_and_not_before() {
        let last = at(DRAWN);
        let RotationSchedule::At(next) = calendar(days(DRAWN, 89), &[]).schedule(QUARTERLY, last, false, "d") else {
            panic!("it rotates early");
        };
        assert!(next >= days(DRAWN, 90) && next <= days(DRAWN, 91), "{next}");
        assert_eq!(
            calendar(days(DRAWN, 91), &[]).schedule(QUARTERLY, last, false, "d"),
            RotationSchedule::Now
        );
        assert_eq!(
            calendar(next, &[]).schedule(QUARTERLY, last, false, "d"),
            RotationSchedule::Now
        );
    }

    #[test]
    fn without_a_period_values_rotate_only_when_asked() {
        let calendar = calendar(days(DRAWN, 9_000), &[]);
        let never = Policy::default();
        assert_eq!(
            calendar.schedule(never, at(DRAWN), false, "d"),
            RotationSchedule::Unscheduled
        );
        assert_eq!(calendar.schedule(never, at(DRAWN), true, "d"), RotationSchedule::Now);
    }

    #[test]
    fn nothing_rotates_in_a_freeze_and_what_is_due_rotates_right_after_the_last_of_them() {
        let freezes = [
            ("2026-09-28T00:00:00Z", "2026-10-05T00:00:00Z"),
            ("2026-10-04T00:00:00Z", "2026-10-09T00:00:00Z"),
            ("2026-10-09T00:00:00Z", "2026-10-10T00:00:00Z"),
        ];
        let end = at("2026-10-10T00:00:00Z");
        for asked in [false, true] {
            let within = calendar(days(DRAWN, 92), &freezes).schedule(QUARTERLY, at(DRAWN), asked, "d");
            let RotationSchedule::Waits { until, why } = within else {
                panic!("{within:?}")
            };
            assert_eq!(until, Some(end));
            assert!(why.contains("\"f2\""), "{why}");
        }
        let before = calendar(days(DRAWN, 1), &freezes).schedule(QUARTERLY, at(DRAWN), false, "d");
        assert_eq!(before, RotationSchedule::At(end));
        assert_eq!(
            calendar(end, &freezes).schedule(QUARTERLY, at(DRAWN), false, "d"),
            RotationSchedule::Now
        );
    }

    #[test]
    fn what_is_kept_while_open_rotates_once_the_drive_is_not() {
        let policy = Policy {
            keep_while_open: true,
            ..QUARTERLY
        };
        let mut calendar = calendar(days(DRAWN, 200), &[]);
        for asked in [false, true] {
            let waits = calendar.schedule(policy, at(DRAWN), asked, "d");
            assert!(
                matches!(&waits, RotationSchedule::Waits { until: None, why } if why.contains("keepWhileOpen")),
                "{waits:?}"
            );
        }
        calendar.open = false;
        assert_eq!(calendar.schedule(policy, at(DRAWN), false, "d"), RotationSchedule::Now);
    }

    #[test]
    fn a_clock_that_jumps_to_and_fro_causes_one_rotation_a_jump_at_most() {
        // Two years ahead: it rotates once, and what it then records is the wrong time.
        let wrong = days(DRAWN, 730);
        assert_eq!(
            calendar(wrong, &[]).schedule(QUARTERLY, at(DRAWN), false, "d"),
            RotationSchedule::Now
        );
        assert!(matches!(
            calendar(wrong, &[]).schedule(QUARTERLY, wrong, false, "d"),
            RotationSchedule::At(_)
        ));
        // Put right again: what was recorded cannot be, so it rotates once more, and then has a time that can.
        let right = days(DRAWN, 1);
        assert_eq!(
            calendar(right, &[]).schedule(QUARTERLY, wrong, false, "d"),
            RotationSchedule::Now
        );
        assert!(matches!(
            calendar(right, &[]).schedule(QUARTERLY, right, false, "d"),
            RotationSchedule::At(_)
        ));
        // A clock that is minutes or days behind the one that recorded changes nothing.
        for behind in [1, 60, 89 * 86_400] {
            let now = at(DRAWN) - SignedDuration::from_secs(behind);
            assert!(matches!(
                calendar(now, &[]).schedule(QUARTERLY, at(DRAWN), false, "d"),
                RotationSchedule::At(_)
            ));
        }
    }

    #[test]
    fn what_is_due_within_a_tenth_of_its_period_rotates_with_what_is_due_now() {
        let now = days(DRAWN, 91);
        let calendar = calendar(now, &[]);
        let soon = now + SignedDuration::from_hours(20);
        let late = now + SignedDuration::from_hours(30);
        let weekly = Policy {
            every: Some(7 * DAY),
            ..QUARTERLY
        };
        let mut all = [
            (RotationSchedule::Now, QUARTERLY),
            (RotationSchedule::At(soon), QUARTERLY),
            (RotationSchedule::At(late), QUARTERLY),
            (RotationSchedule::At(soon), weekly),
            (
                RotationSchedule::At(soon),
                Policy {
                    keep_while_open: true,
                    ..QUARTERLY
                },
            ),
        ];
        calendar.together(all.iter_mut().map(|(schedule, policy)| (schedule, *policy)));
        let shown: Vec<bool> = all
            .iter()
            .map(|(schedule, _)| *schedule == RotationSchedule::Now)
            .collect();
        assert_eq!(shown, [true, true, false, false, false]);
        let mut none = [(RotationSchedule::At(soon), QUARTERLY)];
        calendar.together(none.iter_mut().map(|(schedule, policy)| (schedule, *policy)));
        assert_eq!(none[0].0, RotationSchedule::At(soon));
    }

    #[test]
    fn drives_that_were_made_together_rotate_apart_and_each_always_at_the_same_time() {
        let next = |drive: &str| {
            calendar(at(DRAWN), &[])
                .schedule(QUARTERLY, at(DRAWN), false, drive)
                .next()
        };
        assert_eq!(next("a"), next("a"));
        let all: std::collections::BTreeSet<_> = (0..50).map(|index| next(&format!("d{index}"))).collect();
        assert!(all.len() > 40, "{}", all.len());
    }
}
