//! What is done next: chosen by chance, and by nothing else, so that a seed gives the same actions again.

use std::time::Duration;

use super::chance::Chance;
use super::proxy::Trouble;

/// One action of the soak test.
#[derive(Clone, Debug)]
pub enum Action {
    /// Somebody edits a drive.
    Edit(usize, Edit),
    /// Somebody asks for what the API server refuses.
    Refused(usize),
    /// Somebody deletes a drive, and makes it anew after some actions, or at once.
    Delete(usize, Deletion),
    /// Somebody deletes a child; the number chooses which.
    DeleteChild(usize, u64),
    /// Somebody changes a child; the number chooses which.
    Drift(usize, u64),
    /// A pod dies.
    DeletePod(usize, u64),
    /// The leader's node dies.
    KillLeader,
    /// The standby's node dies.
    KillStandby,
    /// The leader is asked to end, as in an upgrade.
    EndLeader,
    /// The leader stands still for some actions.
    Freeze(u64),
    /// The API server dies and is started again.
    RestartApiServer,
    /// The network between operators and API server is bad for some actions.
    Trouble(Side, Trouble, u64),
    /// The same between operators and the object store.
    StoreTrouble(StoreTrouble, u64),
}

/// How a drive is edited.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    Image,
    Replicas,
    Files,
    Value,
    /// A service comes, or goes.
    Extra,
    /// Suspended for some actions.
    Suspend(u64),
    /// Paused for some actions.
    Pause(u64),
    /// It needs what is not there, for some actions.
    Lack(u64),
}

/// How a drive is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Deletion {
    pub foreground: bool,
    /// After how many actions it is made anew; 0 is at once.
    pub back_after: u64,
}

/// Whose network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That of the two of which one leads.
    Pair,
    /// That of the one that is never ended.
    Steady,
}

/// A fault of an object store.
#[derive(Clone, Copy, Debug)]
pub enum StoreTrouble {
    SlowDown,
    Cut,
    Hang,
    Slow,
}

/// How often what happens, of a thousand.
const WEIGHTS: [(u64, Kind); 19] = [
    (130, Kind::Image),
    (90, Kind::Replicas),
    (90, Kind::Files),
    (90, Kind::Value),
    (50, Kind::Extra),
    (40, Kind::Suspend),
    (25, Kind::Pause),
    (40, Kind::Lack),
    (20, Kind::Refused),
    (50, Kind::Delete),
    (120, Kind::DeleteChild),
    (115, Kind::Drift),
    (40, Kind::DeletePod),
    (7, Kind::KillLeader),
    (6, Kind::KillStandby),
    (7, Kind::EndLeader),
    (6, Kind::Freeze),
    (4, Kind::RestartApiServer),
    (70, Kind::Trouble),
];

#[derive(Clone, Copy)]
enum Kind {
    Image,
    Replicas,
    Files,
    Value,
    Extra,
    Suspend,
    Pause,
    Lack,
    Refused,
    Delete,
    DeleteChild,
    Drift,
    DeletePod,
    KillLeader,
    KillStandby,
    EndLeader,
    Freeze,
    RestartApiServer,
    Trouble,
}

/// The action with this number, of those on so many drives.
pub fn choose(chance: &mut Chance, drives: usize) -> Action {
    let drive = chance.index(drives);
    let edit = |edit| Action::Edit(drive, edit);
    match kind(chance) {
        Kind::Image => edit(Edit::Image),
        Kind::Replicas => edit(Edit::Replicas),
        Kind::Files => edit(Edit::Files),
        Kind::Value => edit(Edit::Value),
        Kind::Extra => edit(Edit::Extra),
        Kind::Suspend => edit(Edit::Suspend(5 + chance.below(30))),
        Kind::Pause => edit(Edit::Pause(5 + chance.below(30))),
        Kind::Lack => edit(Edit::Lack(3 + chance.below(30))),
        Kind::Refused => Action::Refused(drive),
        Kind::Delete => {
            let foreground = chance.below(3) == 0;
            let back_after = if chance.below(3) == 0 { 0 } else { 5 + chance.below(60) };
            Action::Delete(drive, Deletion { foreground, back_after })
        }
        Kind::DeleteChild => Action::DeleteChild(drive, chance.next()),
        Kind::Drift => Action::Drift(drive, chance.next()),
        Kind::DeletePod => Action::DeletePod(drive, chance.next()),
        Kind::KillLeader => Action::KillLeader,
        Kind::KillStandby => Action::KillStandby,
        Kind::EndLeader => Action::EndLeader,
        Kind::Freeze => Action::Freeze(3 + chance.below(25)),
        Kind::RestartApiServer => Action::RestartApiServer,
        Kind::Trouble => trouble(chance),
    }
}

fn kind(chance: &mut Chance) -> Kind {
    let mut drawn = chance.below(WEIGHTS.iter().map(|(weight, _)| weight).sum());
    for (weight, kind) in WEIGHTS {
        if drawn < weight {
            return kind;
        }
        drawn -= weight;
    }
    Kind::Image
}

fn trouble(chance: &mut Chance) -> Action {
    let lasts = 2 + chance.below(12);
    if chance.below(6) == 0 {
        let kinds = [
            StoreTrouble::SlowDown,
            StoreTrouble::Cut,
            StoreTrouble::Hang,
            StoreTrouble::Slow,
        ];
        let kind = chance.one_of(&kinds).copied().unwrap_or(StoreTrouble::Cut);
        return Action::StoreTrouble(kind, lasts);
    }
    let side = if chance.below(2) == 0 { Side::Pair } else { Side::Steady };
    let percent = 20 + chance.below(81);
    let kind = match chance.below(9) {
        0 => Trouble::Errors { status: 500, percent },
        1 => Trouble::Errors { status: 429, percent },
        2 => Trouble::Errors { status: 503, percent },
        3 => Trouble::CutBefore { percent },
        4 => Trouble::CutAfter { percent },
        5 => Trouble::HalfAnswers { percent },
        6 => Trouble::Slow(Duration::from_millis(50 + chance.below(1_500))),
        7 => Trouble::Hang { percent },
        _ => Trouble::WatchesExpire,
    };
    Action::Trouble(side, kind, lasts)
}

#[cfg(test)]
mod tests {
    use super::{WEIGHTS, choose};
    use crate::chance::Chance;

    #[test]
    fn a_seed_gives_the_same_actions_again() {
        let all = |seed| {
            let actions = (0..500).map(|number| choose(&mut Chance::of(seed, number), 42));
            actions.map(|action| format!("{action:?}")).collect::<Vec<_>>()
        };
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
    }

    #[test]
    fn weights_are_of_a_thousand() {
        assert_eq!(WEIGHTS.iter().map(|(weight, _)| weight).sum::<u64>(), 1_000);
    }
}
