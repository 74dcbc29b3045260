//! Simulates several replicas with one lease: requests and responses take any time, processes pause, and clocks run at
//! different speeds. Two replicas must never be able to write at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::decide::{LeaseAction, Moment, ObservedLease, decide};
use super::record::LeaseRecord;
use super::timing::Timing;
use crate::seeds::run_of;

/// The next event of one replica.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// The server reads the lease.
    Read,
    /// The response to the read arrives.
    ReadResponse,
    /// It decides and sends a write.
    Act,
    /// The write arrives at the server.
    Arrive,
    /// The response to the write arrives.
    Answer,
    Release,
}

#[derive(Clone, Debug)]
struct PendingWrite {
    record: LeaseRecord,
    expected: Option<u64>,
    sent: Moment,
    answer: Option<Lease>,
}

/// A lease with its version. `None`: it does not exist, or the write was refused.
#[derive(Clone, Debug)]
struct Lease(Option<(LeaseRecord, u64)>);

struct Replica {
    name: String,
    /// Speed of its clock in thousandths, and its start.
    speed: u64,
    origin: u64,
    read: Option<Lease>,
    seen: Option<ObservedLease>,
    version: Option<u64>,
    pending: Option<PendingWrite>,
    until: Option<Moment>,
}

impl Replica {
    fn now(&self, real: u64) -> Moment {
        Duration::from_millis(self.origin + real * self.speed / 1_000)
    }

    fn may_write(&self, real: u64) -> bool {
        self.until.is_some_and(|until| self.now(real) < until)
    }
}

struct Simulation {
    real: u64,
    timing: Timing,
    /// Time after a renewal in which a leader writes. The rule is the renew deadline; one test breaks it.
    acts_for: Duration,
    lease: Option<(LeaseRecord, u64)>,
    versions: u64,
    replicas: Vec<Replica>,
}

impl Simulation {
    fn new(speeds: &[u64], timing: Timing, acts_for: Duration) -> Self {
        let replicas = speeds.iter().zip(0_u64..).map(|(speed, number)| Replica {
            name: format!("replica-{number}"),
            speed: *speed,
            origin: number * 1_000_000,
            read: None,
            seen: None,
            version: None,
            pending: None,
            until: None,
        });
        Self {
            real: 0,
            timing,
            acts_for,
            lease: None,
            versions: 0,
            replicas: replicas.collect(),
        }
    }

    fn happen(&mut self, after: u64, who: usize, what: Move) {
        self.real += after;
        let real = self.real;
        let who = who % self.replicas.len();
        let replica = &mut self.replicas[who];
        let now = replica.now(real);
        match what {
            Move::Read => replica.read = Some(Lease(self.lease.clone())),
            Move::ReadResponse => {
                if let Some(Lease(read)) = replica.read.take() {
                    replica.version = read.as_ref().map(|(_, version)| *version);
                    replica.seen = read.map(|(record, _)| ObservedLease::after(replica.seen.take(), record, now));
                }
            }
            Move::Act if replica.pending.is_none() => {
                let action = decide(replica.seen.as_ref(), &replica.name, &self.timing, now);
                if !matches!(action, LeaseAction::Wait { .. }) {
                    replica.pending = Some(PendingWrite {
                        record: LeaseRecord {
                            holder: replica.name.clone(),
                            duration: Some(self.timing.lease()),
                            renewed: format!("{now:?} of {}", replica.name),
                            transitions: 0,
                        },
                        expected: replica.seen.as_ref().and(replica.version),
                        sent: now,
                        answer: None,
                    });
                }
            }
            Move::Release if replica.pending.is_none() && replica.may_write(real) => {
                replica.until = None;
                replica.pending = Some(PendingWrite {
                    record: LeaseRecord {
                        duration: Some(Duration::from_secs(1)),
                        renewed: format!("{now:?} of {}", replica.name),
                        ..LeaseRecord::default()
                    },
                    expected: replica.version,
                    sent: now,
                    answer: None,
                });
            }
            Move::Arrive => {
                if let Some(pending) = &mut replica.pending
                    && pending.answer.is_none()
                {
                    let present = self.lease.as_ref().map(|(_, version)| *version);
                    let accepted = (present == pending.expected).then(|| {
                        self.versions += 1;
                        (pending.record.clone(), self.versions)
                    });
                    if let Some(written) = &accepted {
                        self.lease = Some(written.clone());
                    }
                    pending.answer = Some(Lease(accepted));
                }
            }
            Move::Answer => {
                if let Some(PendingWrite {
                    answer: Some(Lease(answer)),
                    sent,
                    ..
                }) = replica.pending.clone()
                {
                    replica.pending = None;
                    if let Some((record, version)) = answer {
                        if record.holder == replica.name {
                            replica.until = Some(sent + self.acts_for);
                        }
                        replica.version = Some(version);
                        replica.seen = Some(ObservedLease::after(replica.seen.take(), record, now));
                    }
                }
            }
            Move::Act | Move::Release => {}
        }
    }

    fn writers(&self) -> Vec<&str> {
        let may = self.replicas.iter().filter(|replica| replica.may_write(self.real));
        may.map(|replica| replica.name.as_str()).collect()
    }

    /// One round of a replica without delays.
    fn round(&mut self, who: usize) {
        for what in [Move::Read, Move::ReadResponse, Move::Act, Move::Arrive, Move::Answer] {
            self.happen(0, who, what);
        }
    }
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => Just(Move::Read),
        4 => Just(Move::ReadResponse),
        6 => Just(Move::Act),
        6 => Just(Move::Arrive),
        6 => Just(Move::Answer),
        1 => Just(Move::Release),
    ]
}

/// Mostly short, and sometimes as long as a lease.
fn times() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..400_u64, 3 => 400..3_000_u64, 1 => 3_000..20_000_u64]
}

proptest! {
    #![proptest_config(run_of("leadership::simulation", 1_000))]

    #[test]
    fn no_two_replicas_may_ever_write_at_once(
        // Far more than the drift of real clocks.
        speeds in prop::collection::vec(850..1_150_u64, 2..4),
        story in prop::collection::vec((times(), 0..3_usize, moves()), 1..400),
    ) {
        let timing = Timing::default();
        let mut simulation = Simulation::new(&speeds, timing, timing.renew());
        for (after, who, what) in story {
            simulation.happen(after, who, what);
            let writers = simulation.writers();
            prop_assert!(writers.len() <= 1, "{writers:?} after {} ms", simulation.real);
        }
    }

    #[test]
    fn a_replica_leads_again_within_a_lease_and_a_pause_after_any_failure(
        speeds in prop::collection::vec(950..1_050_u64, 2..4),
        story in prop::collection::vec((times(), 0..3_usize, moves()), 0..200),
    ) {
        let timing = Timing::default();
        let mut simulation = Simulation::new(&speeds, timing, timing.renew());
        for (after, who, what) in story {
            simulation.happen(after, who, what);
        }
        // From now on each replica runs the loop every two seconds. Requests in flight are lost.
        for replica in &mut simulation.replicas {
            replica.pending = None;
        }
        let mut led = BTreeMap::new();
        for second in 0..10_u64 {
            simulation.real += 2_000;
            for who in 0..simulation.replicas.len() {
                simulation.round(who);
            }
            led.insert(second, simulation.writers().len());
        }
        prop_assert_eq!(led.get(&9), Some(&1), "{:?}", led);
    }
}

#[test]
fn the_simulation_notices_a_leader_that_acts_for_as_long_as_its_lease_with_a_slow_clock() {
    let timing = Timing::default();
    let mut simulation = Simulation::new(&[900, 1_100], timing, timing.lease());
    simulation.round(0);
    assert_eq!(simulation.writers(), ["replica-0"]);
    simulation.round(1);
    simulation.real += 14_000;
    simulation.round(1);
    assert_eq!(
        simulation.writers(),
        ["replica-0", "replica-1"],
        "otherwise the simulation could not fail"
    );
}

#[test]
fn a_leader_that_was_paused_may_not_write_when_it_continues() {
    let timing = Timing::default();
    let mut simulation = Simulation::new(&[1_000, 1_000], timing, timing.renew());
    simulation.round(0);
    simulation.round(1);
    simulation.real += 16_000;
    simulation.round(1);
    assert_eq!(simulation.writers(), ["replica-1"]);
    // It continues in the middle of a renewal, which the server refuses.
    for what in [Move::Act, Move::Arrive, Move::Answer] {
        simulation.happen(0, 0, what);
    }
    assert_eq!(simulation.writers(), ["replica-1"]);
}
