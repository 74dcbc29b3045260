//! Fields that another controller and the operator both insist on, each undoing what the other did.
//!
//! A change by hand is put back at once. What is taken again and again is put back less and less often, counted for each
//! field of each child, so that neither a large drive nor a single stubborn field slows down anything else. The drive says who
//! takes which field and what to do, and looks again when the pause is over. Losing this memory costs some repairs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ras_core::applied::{Conflict, Taken};
use ras_core::fetched::record::ChildKey;

/// Repairs of one field without a pause.
const FREE: u32 = 3;
/// The first pause; each is twice as long as the one before.
const FIRST: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(10);
/// A field that was not taken for so long is counted from the beginning.
const QUIET: Duration = Duration::from_mins(20);

/// What to do about fields that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Put them back.
    Repair,
    /// Leave them for now.
    Hold,
}

#[derive(Debug)]
struct Fight {
    managers: Vec<String>,
    repairs: u32,
    last: Instant,
    held: bool,
}

#[derive(Debug)]
struct Scaler {
    /// Its name and field manager.
    name: String,
    looks: u32,
    looked: Instant,
}

#[derive(Debug, Default)]
struct Contested {
    fields: BTreeMap<String, Fight>,
    /// Digest of our fields when they were held last: as long as nothing changed nobody is asked again.
    held: Option<u64>,
    scaler: Option<Scaler>,
}

/// What is remembered of contested fields.
#[derive(Debug, Default)]
pub struct Contests(Mutex<HashMap<ChildKey, Contested>>);

/// The pause after this many steps: doubling, never longer than the longest.
fn pause(steps: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(steps.min(16))).min(LONGEST)
}

impl Fight {
    fn due(&self) -> Instant {
        match self.repairs.checked_sub(FREE) {
            None => self.last,
            Some(beyond) => self.last + pause(beyond),
        }
    }
}

impl Contests {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChildKey, Contested>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the child's fields are held just as they are, so that nobody has to be asked who took them.
    pub fn holds(&self, key: &ChildKey, digest: u64, now: Instant) -> bool {
        self.lock().get(key).is_some_and(|contested| {
            contested.held == Some(digest)
                && contested.fields.values().any(|fight| fight.held && fight.due() > now)
                && !contested.fields.values().any(|fight| fight.held && fight.due() <= now)
        })
    }

    /// What to do about fields of a child that were taken. One that may be put back brings the others with it: an apply writes
    /// the whole object.
    pub fn judge(&self, key: &ChildKey, taken: &[Taken], digest: u64, now: Instant) -> Judgement {
        let mut all = self.lock();
        let contested = all.entry(key.clone()).or_default();
        contested
            .fields
            .retain(|_, fight| now.duration_since(fight.last) < QUIET);
        let is_due = taken.is_empty()
            || taken
                .iter()
                .any(|one| contested.fields.get(&one.field).is_none_or(|fight| fight.due() <= now));
        for one in taken {
            let fight = contested.fields.entry(one.field.clone()).or_insert_with(|| Fight {
                managers: Vec::new(),
                repairs: 0,
                last: now,
                held: false,
            });
            fight.managers.clone_from(&one.managers);
            if is_due {
                fight.repairs = fight.repairs.saturating_add(1);
                fight.last = now;
            } else {
                fight.held = true;
            }
        }
        contested.held = (!is_due).then_some(digest);
        if is_due { Judgement::Repair } else { Judgement::Hold }
    }

    /// The autoscaler that the child's number of replicas is left to, if that was looked at lately.
    pub fn scaler(&self, key: &ChildKey, now: Instant) -> bool {
        self.lock()
            .get(key)
            .and_then(|contested| contested.scaler.as_ref())
            .is_some_and(|scaler| now.duration_since(scaler.looked) < pause(scaler.looks))
    }

    /// The number of replicas is left to an autoscaler, or no longer.
    pub fn scaled_by(&self, key: &ChildKey, name: Option<String>, now: Instant) {
        let mut all = self.lock();
        match name {
            Some(name) => {
                let contested = all.entry(key.clone()).or_default();
                let looks = contested
                    .scaler
                    .as_ref()
                    .map_or(0, |before| before.looks.saturating_add(1));
                contested.scaler = Some(Scaler {
                    name,
                    looks,
                    looked: now,
                });
            }
            None => {
                if let Some(contested) = all.get_mut(key) {
                    contested.scaler = None;
                }
            }
        }
    }

    /// The conflicts of these children that last. What was put back and not taken again by the time it would be put back next is
    /// over.
    pub fn of<'a>(&self, children: impl Iterator<Item = &'a ChildKey>, now: Instant) -> Vec<Conflict> {
        let mut all = self.lock();
        if all.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for child in children {
            let Some(contested) = all.get_mut(child) else { continue };
            contested
                .fields
                .retain(|_, fight| now.duration_since(fight.last) < QUIET && !(fight.held && fight.due() <= now));
            if let Some(scaler) = &contested.scaler {
                found.push(Conflict {
                    child: child.clone(),
                    message: format!(
                        "{child}: {} sets spec.replicas, and so does the service. The number is left to it: remove replicas from \
                         the service and use services[].autoscaling, or delete the autoscaler",
                        scaler.name
                    ),
                    again: (scaler.looked + pause(scaler.looks)).saturating_duration_since(now),
                });
            }
            let held: Vec<(&String, &Fight)> = contested.fields.iter().filter(|(_, fight)| fight.held).collect();
            if let Some(again) = held.iter().map(|(_, fight)| fight.due()).min() {
                let fields: Vec<String> = held.iter().map(|(field, fight)| said(field, &fight.managers)).collect();
                found.push(Conflict {
                    child: child.clone(),
                    message: format!(
                        "{child}: {} again and again, and the operator puts it back less and less often: stop the other manager from \
                         writing what the drive sets, or remove it from the drive",
                        fields.join(", ")
                    ),
                    again: again.saturating_duration_since(now),
                });
            }
            if contested.fields.is_empty() && contested.scaler.is_none() {
                all.remove(child);
            }
        }
        found
    }
}

fn said(field: &str, managers: &[String]) -> String {
    if managers.is_empty() {
        format!("{field} is removed")
    } else {
        format!("the field manager {} changes {field}", managers.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ras_core::kind::Kind;

    fn child(name: &str) -> ChildKey {
        ChildKey::new(Kind::Deployment, "n", name)
    }

    fn taken(field: &str) -> Vec<Taken> {
        vec![Taken {
            field: field.to_owned(),
            managers: vec!["cost-tool".to_owned()],
        }]
    }

    #[test]
    fn a_field_is_put_back_at_once_three_times_and_then_less_and_less_often() {
        let contests = Contests::default();
        let start = Instant::now();
        let mut repairs = Vec::new();
        for second in 0..3_600_u64 {
            let now = start + Duration::from_secs(second);
            let judgement = contests.judge(&child("d"), &taken("metadata.labels.team"), second, now);
            if judgement == Judgement::Repair {
                repairs.push(second);
            }
        }
        assert_eq!(repairs.get(..6), Some([0, 1, 2, 32, 92, 212].as_slice()));
        assert!(repairs.len() < 15, "{repairs:?}");
        assert!(
            repairs.windows(2).all(|pair| pair[1] - pair[0] <= LONGEST.as_secs()),
            "{repairs:?}"
        );
    }

    #[test]
    fn one_stubborn_field_slows_down_neither_other_children_nor_other_fields() {
        let contests = Contests::default();
        let now = Instant::now();
        for _ in 0..10 {
            contests.judge(&child("d"), &taken("spec.a"), 1, now);
        }
        assert_eq!(contests.judge(&child("d"), &taken("spec.a"), 1, now), Judgement::Hold);
        assert!(contests.holds(&child("d"), 1, now) && !contests.holds(&child("d"), 2, now));
        assert_eq!(contests.judge(&child("d"), &taken("spec.b"), 2, now), Judgement::Repair);
        for number in 0..200 {
            let other = child(&format!("other-{number}"));
            assert_eq!(contests.judge(&other, &taken("spec.a"), 1, now), Judgement::Repair);
        }
    }

    #[test]
    fn a_conflict_names_the_manager_and_the_field_asks_to_look_again_and_ends_when_nobody_takes_it() {
        let contests = Contests::default();
        let key = child("d");
        let keys = [key.clone()];
        let mut now = Instant::now();
        for _ in 0..FREE {
            contests.judge(&key, &taken("spec.a"), 1, now);
        }
        assert_eq!(contests.of(keys.iter(), now), [], "it may have been the last time");
        contests.judge(&key, &taken("spec.a"), 1, now);
        let told = contests.of(keys.iter(), now);
        assert!(told[0].message.contains("cost-tool changes spec.a"), "{told:?}");
        assert_eq!(told[0].again, FIRST);
        now += FIRST;
        assert!(!contests.holds(&key, 1, now));
        assert_eq!(contests.judge(&key, &taken("spec.a"), 1, now), Judgement::Repair);
        assert_eq!(
            contests.of(keys.iter(), now).len(),
            1,
            "it stays told while it may be taken again"
        );
        now += 2 * FIRST;
        assert_eq!(contests.of(keys.iter(), now), []);
    }

    #[test]
    fn the_number_is_left_to_an_autoscaler_until_it_is_gone() {
        let contests = Contests::default();
        let key = child("d");
        let keys = [key.clone()];
        let now = Instant::now();
        contests.scaled_by(&key, Some("HorizontalPodAutoscaler web".to_owned()), now);
        assert!(contests.scaler(&key, now) && !contests.scaler(&key, now + FIRST));
        let told = contests.of(keys.iter(), now);
        assert!(
            told[0]
                .message
                .contains("HorizontalPodAutoscaler web sets spec.replicas")
                && told[0].again == FIRST,
            "{told:?}"
        );
        contests.scaled_by(&key, None, now + FIRST);
        assert_eq!(contests.of(keys.iter(), now), []);
    }
}
