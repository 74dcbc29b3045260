//! Fields that the operator and another manager both write, each reverting the other.
//!
//! The first repairs are immediate, which covers manual changes. After that the pauses between repairs grow, counted
//! for each field of each child, so that one conflict slows down nothing else. The drive reports the manager and the
//! field, and is requeued when the pause ends. The counts are kept in memory only: a restart costs a few extra repairs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ras_core::applied::{Conflict, Taken};
use ras_core::fetched::record::ChildKey;

/// Repairs of one field without a pause.
const IMMEDIATE: u32 = 3;
/// Each pause is twice as long as the one before.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(10);
/// After this time without a conflict the count starts again.
const RESET_AFTER: Duration = Duration::from_mins(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictDecision {
    Repair,
    /// Leave the fields as they are for now.
    Hold,
}

#[derive(Debug)]
struct FieldConflict {
    managers: Vec<String>,
    repairs: u32,
    last: Instant,
    held: bool,
}

#[derive(Debug)]
struct Autoscaler {
    /// Its name and field manager.
    name: String,
    lookups: u32,
    looked_up: Instant,
}

#[derive(Debug, Default)]
struct ChildConflicts {
    fields: BTreeMap<String, FieldConflict>,
    /// Digest of our fields when they were last held. While it is the same, the live object is not read again.
    held: Option<u64>,
    autoscaler: Option<Autoscaler>,
}

#[derive(Debug, Default)]
pub struct FieldConflicts(Mutex<HashMap<ChildKey, ChildConflicts>>);

fn pause(steps: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(steps.min(16))).min(LONGEST)
}

impl FieldConflict {
    fn due(&self) -> Instant {
        match self.repairs.checked_sub(IMMEDIATE) {
            None => self.last,
            Some(beyond) => self.last + pause(beyond),
        }
    }
}

impl FieldConflicts {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChildKey, ChildConflicts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while the child's fields are held and have not changed since.
    pub fn is_held(&self, key: &ChildKey, digest: u64, now: Instant) -> bool {
        self.lock().get(key).is_some_and(|conflicts| {
            conflicts.held == Some(digest)
                && conflicts.fields.values().any(|field| field.held && field.due() > now)
                && !conflicts.fields.values().any(|field| field.held && field.due() <= now)
        })
    }

    /// Decides whether taken fields are repaired. If one is due, all are, because an apply writes the whole object.
    pub fn decide(&self, key: &ChildKey, taken: &[Taken], digest: u64, now: Instant) -> ConflictDecision {
        let mut all = self.lock();
        let conflicts = all.entry(key.clone()).or_default();
        conflicts
            .fields
            .retain(|_, field| now.duration_since(field.last) < RESET_AFTER);
        let is_due = taken.is_empty()
            || taken
                .iter()
                .any(|one| conflicts.fields.get(&one.field).is_none_or(|field| field.due() <= now));
        for one in taken {
            let field = conflicts
                .fields
                .entry(one.field.clone())
                .or_insert_with(|| FieldConflict {
                    managers: Vec::new(),
                    repairs: 0,
                    last: now,
                    held: false,
                });
            field.managers.clone_from(&one.managers);
            if is_due {
                field.repairs = field.repairs.saturating_add(1);
                field.last = now;
            } else {
                field.held = true;
            }
        }
        conflicts.held = (!is_due).then_some(digest);
        if is_due {
            ConflictDecision::Repair
        } else {
            ConflictDecision::Hold
        }
    }

    /// True while an autoscaler that was found recently sets the child's replicas.
    pub fn is_autoscaled(&self, key: &ChildKey, now: Instant) -> bool {
        self.lock()
            .get(key)
            .and_then(|conflicts| conflicts.autoscaler.as_ref())
            .is_some_and(|autoscaler| now.duration_since(autoscaler.looked_up) < pause(autoscaler.lookups))
    }

    pub fn set_autoscaler(&self, key: &ChildKey, name: Option<String>, now: Instant) {
        let mut all = self.lock();
        match name {
            Some(name) => {
                let conflicts = all.entry(key.clone()).or_default();
                let lookups = conflicts
                    .autoscaler
                    .as_ref()
                    .map_or(0, |before| before.lookups.saturating_add(1));
                conflicts.autoscaler = Some(Autoscaler {
                    name,
                    lookups,
                    looked_up: now,
                });
            }
            None => {
                if let Some(conflicts) = all.get_mut(key) {
                    conflicts.autoscaler = None;
                }
            }
        }
    }

    /// The conflicts of these children. A field that was repaired and not taken again until the next repair would be
    /// due is no longer in conflict.
    pub fn active<'a>(&self, children: impl Iterator<Item = &'a ChildKey>, now: Instant) -> Vec<Conflict> {
        let mut all = self.lock();
        if all.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for child in children {
            let Some(conflicts) = all.get_mut(child) else { continue };
            conflicts
                .fields
                .retain(|_, field| now.duration_since(field.last) < RESET_AFTER && !(field.held && field.due() <= now));
            if let Some(autoscaler) = &conflicts.autoscaler {
                found.push(Conflict {
                    child: child.clone(),
                    message: format!(
                        "{child}: {} and the service both set spec.replicas. The operator keeps the autoscaler's number: remove \
                         replicas from the service and use services[].autoscaling, or delete the autoscaler",
                        autoscaler.name
                    ),
                    again: (autoscaler.looked_up + pause(autoscaler.lookups)).saturating_duration_since(now),
                });
            }
            let held: Vec<(&String, &FieldConflict)> =
                conflicts.fields.iter().filter(|(_, field)| field.held).collect();
            if let Some(again) = held.iter().map(|(_, field)| field.due()).min() {
                let fields: Vec<String> = held
                    .iter()
                    .map(|(name, field)| describe(name, &field.managers))
                    .collect();
                found.push(Conflict {
                    child: child.clone(),
                    message: format!(
                        "{child}: {} again after each repair, so the operator repairs it less often: stop the other manager from \
                         writing what the drive sets, or remove it from the drive",
                        fields.join(", ")
                    ),
                    again: again.saturating_duration_since(now),
                });
            }
            if conflicts.fields.is_empty() && conflicts.autoscaler.is_none() {
                all.remove(child);
            }
        }
        found
    }
}

fn describe(field: &str, managers: &[String]) -> String {
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
    fn a_field_is_repaired_three_times_at_once_and_then_after_growing_pauses() {
        let conflicts = FieldConflicts::default();
        let start = Instant::now();
        let mut repairs = Vec::new();
        for second in 0..3_600_u64 {
            let now = start + Duration::from_secs(second);
            let decision = conflicts.decide(&child("d"), &taken("metadata.labels.team"), second, now);
            if decision == ConflictDecision::Repair {
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
    fn a_conflict_slows_down_neither_other_children_nor_other_fields() {
        let conflicts = FieldConflicts::default();
        let now = Instant::now();
        for _ in 0..10 {
            conflicts.decide(&child("d"), &taken("spec.a"), 1, now);
        }
        assert_eq!(
            conflicts.decide(&child("d"), &taken("spec.a"), 1, now),
            ConflictDecision::Hold
        );
        assert!(conflicts.is_held(&child("d"), 1, now) && !conflicts.is_held(&child("d"), 2, now));
        assert_eq!(
            conflicts.decide(&child("d"), &taken("spec.b"), 2, now),
            ConflictDecision::Repair
        );
        for number in 0..200 {
            let other = child(&format!("other-{number}"));
            assert_eq!(
                conflicts.decide(&other, &taken("spec.a"), 1, now),
                ConflictDecision::Repair
            );
        }
    }

    #[test]
    fn a_conflict_names_the_manager_and_the_field_and_ends_when_the_field_is_no_longer_taken() {
        let conflicts = FieldConflicts::default();
        let key = child("d");
        let keys = [key.clone()];
        let mut now = Instant::now();
        for _ in 0..IMMEDIATE {
            conflicts.decide(&key, &taken("spec.a"), 1, now);
        }
        assert_eq!(
            conflicts.active(keys.iter(), now),
            [],
            "a first repair is no conflict yet"
        );
        conflicts.decide(&key, &taken("spec.a"), 1, now);
        let active = conflicts.active(keys.iter(), now);
        assert!(active[0].message.contains("cost-tool changes spec.a"), "{active:?}");
        assert_eq!(active[0].again, FIRST);
        now += FIRST;
        assert!(!conflicts.is_held(&key, 1, now));
        assert_eq!(
            conflicts.decide(&key, &taken("spec.a"), 1, now),
            ConflictDecision::Repair
        );
        assert_eq!(
            conflicts.active(keys.iter(), now).len(),
            1,
            "it stays reported while it may be taken again"
        );
        now += 2 * FIRST;
        assert_eq!(conflicts.active(keys.iter(), now), []);
    }

    #[test]
    fn an_autoscaler_keeps_its_number_until_it_is_deleted() {
        let conflicts = FieldConflicts::default();
        let key = child("d");
        let keys = [key.clone()];
        let now = Instant::now();
        conflicts.set_autoscaler(&key, Some("HorizontalPodAutoscaler web".to_owned()), now);
        assert!(conflicts.is_autoscaled(&key, now) && !conflicts.is_autoscaled(&key, now + FIRST));
        let active = conflicts.active(keys.iter(), now);
        assert!(
            active[0]
                .message
                .contains("HorizontalPodAutoscaler web and the service both set spec.replicas")
                && active[0].again == FIRST,
            "{active:?}"
        );
        conflicts.set_autoscaler(&key, None, now + FIRST);
        assert_eq!(conflicts.active(keys.iter(), now), []);
    }
}
