//! Figures, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ras_tests::Error;
use serde::Serialize;

use crate::audit::Percentiles;
use crate::machine::Machine;

/// Everything that one run measured.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub machine: Machine,
    pub sizes: Vec<Figures>,
}

/// Measurements at one number of drives. `None`: this run left it out. Times are in milliseconds unless a name says
/// otherwise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub drives: usize,
    pub objects_a_drive: Option<usize>,
    pub backlog: Option<Backlog>,
    /// The same objects applied by a bare client, before the operator's first turn, between its turns and after its last.
    pub bare: Option<Turns>,
    pub idle: Option<Idle>,
    pub resident_mib_before_secrets: Option<f64>,
    pub resident_mib_with_secrets: Option<f64>,
    pub pick_up: Option<Percentiles>,
    pub pick_up_with_broken: Option<Percentiles>,
    pub requests_of_broken: Option<usize>,
    pub drift: Option<Percentiles>,
    pub restart: Option<Restart>,
    pub failover_asked: Option<f64>,
    pub failover_killed: Option<f64>,
    pub ready_seconds: Option<f64>,
    pub ready_requests: Option<BTreeMap<String, usize>>,
    pub ready_resident_mib: Option<f64>,
}

/// Turns of the same work, in seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Turns {
    pub seconds: Vec<f64>,
    /// CPU time of the API server and etcd meanwhile.
    pub control_plane_seconds: Vec<f64>,
}

/// All drives at once, which exist before the operator starts. Requests and CPU are those of the last turn.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Backlog {
    pub turns: Turns,
    pub operator_cpu_seconds: f64,
    pub requests_a_drive: f64,
    pub writes_a_drive: f64,
    pub requests: BTreeMap<String, usize>,
}

/// An operator whose drives do not change, and one change.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Idle {
    pub requests_in_30_s: usize,
    pub requests_for_one_image: usize,
    pub one_image: BTreeMap<String, usize>,
    pub resident_mib: f64,
    pub highest_mib: f64,
}

/// An operator that was killed and started again.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Restart {
    pub start_to_answering: f64,
    pub to_listed: f64,
    pub to_first_write: f64,
    pub cpu_seconds: f64,
    pub requests: usize,
    pub writes: usize,
}

/// A figure, its target, and how it is read; `None` where this run did not measure it.
type Line = (&'static str, &'static str, fn(&Figures) -> Option<String>);

const LINES: [Line; 22] = [
    ("objects a drive", "", |f| Some(f.objects_a_drive?.to_string())),
    ("bare client, median (min to max)", "", |f| {
        Some(format!("{} s", spread(&f.bare.as_ref()?.seconds, 1)?))
    }),
    ("operator, median (min to max)", "", |f| {
        Some(format!("{} s", spread(&f.backlog.as_ref()?.turns.seconds, 1)?))
    }),
    ("limit: bare ÷ operator, median (min to max)", "≥ 0.9", |f| {
        spread(&ratios(f)?, 2)
    }),
    ("CPU of the control plane: bare → operator, medians", "", |f| {
        let bare = median(&f.bare.as_ref()?.control_plane_seconds)?;
        let operator = median(&f.backlog.as_ref()?.turns.control_plane_seconds)?;
        Some(format!("{bare:.1} → {operator:.1} s"))
    }),
    ("CPU of the operator a drive", "not growing", |f| {
        let cpu = f.backlog.as_ref()?.operator_cpu_seconds;
        Some(format!("{:.1} ms", each(f, cpu * 1_000.0)))
    }),
    ("requests a new drive", "", |f| {
        Some(format!("{:.1}", f.backlog.as_ref()?.requests_a_drive))
    }),
    ("of these, writes of children", "the objects", |f| {
        Some(format!("{:.1}", f.backlog.as_ref()?.writes_a_drive))
    }),
    ("requests for one image", "what differs", |f| {
        Some(f.idle.as_ref()?.requests_for_one_image.to_string())
    }),
    ("requests in 30 s without a change", "0", |f| {
        Some(f.idle.as_ref()?.requests_in_30_s.to_string())
    }),
    ("resident / highest", "< 60 MiB at 1,000", |f| {
        let idle = f.idle.as_ref()?;
        Some(format!("{:.1} / {:.1} MiB", idle.resident_mib, idle.highest_mib))
    }),
    ("resident: before → with unrelated Secrets", "no visible rise", |f| {
        let (before, with) = (f.resident_mib_before_secrets?, f.resident_mib_with_secrets?);
        Some(format!("{before:.1} → {with:.1} MiB"))
    }),
    ("pick-up p50 / p99", "p99 < 50 ms", |f| f.pick_up.map(times)),
    ("pick-up with 50 broken drives", "unchanged", |f| {
        f.pick_up_with_broken.map(times)
    }),
    ("drift: Deployment back p50 / p99", "", |f| f.drift.map(times)),
    ("start to answering", "", |f| {
        Some(milliseconds(f.restart.as_ref()?.start_to_answering))
    }),
    ("restart to all listed", "", |f| {
        Some(milliseconds(f.restart.as_ref()?.to_listed))
    }),
    ("restart to first useful write", "", |f| {
        Some(milliseconds(f.restart.as_ref()?.to_first_write))
    }),
    ("writes (requests) after a restart without a change", "0", |f| {
        let restart = f.restart.as_ref()?;
        Some(format!("{} ({})", restart.writes, restart.requests))
    }),
    ("failover after SIGTERM / SIGKILL", "< 1 s / < 20 s", |f| {
        Some(format!("{:.0} / {:.0} ms", f.failover_asked?, f.failover_killed?))
    }),
    (
        "drives of one pod: all Ready after",
        "peer: 100 in 30 s, 1,000 in 200 s",
        |f| Some(format!("{:.1} s", f.ready_seconds?)),
    ),
    (
        "the same: requests a drive, resident",
        "peer: 25; 130 MiB at 1,000",
        |f| {
            #[allow(clippy::cast_precision_loss)] // Counts of requests are far below what a float holds exactly.
            let requests = f.ready_requests.as_ref()?.values().sum::<usize>() as f64;
            Some(format!("{:.1}, {:.1} MiB", each(f, requests), f.ready_resident_mib?))
        },
    ),
];

/// Each of the operator's turns against the mean of the bare client's turns before and after it, because every object that
/// the API server stored makes the next one slower.
fn ratios(figures: &Figures) -> Option<Vec<f64>> {
    let bare = &figures.bare.as_ref()?.seconds;
    let operator = &figures.backlog.as_ref()?.turns.seconds;
    let around = bare.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0);
    Some(around.zip(operator).map(|(bare, operator)| bare / operator).collect())
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Median, least and most.
fn spread(values: &[f64], digits: usize) -> Option<String> {
    let median = median(values)?;
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    Some(format!("{median:.digits$} ({least:.digits$} to {most:.digits$})"))
}

fn milliseconds(value: f64) -> String {
    format!("{value:.0} ms")
}

#[allow(clippy::cast_precision_loss)] // A number of drives is far below what a float holds exactly.
fn each(figures: &Figures, value: f64) -> f64 {
    value / figures.drives.max(1) as f64
}

fn times(times: Percentiles) -> String {
    format!("{:.1} / {:.1} ms", times.p50, times.p99)
}

/// A table with the targets, and a column for each number of drives.
pub fn markdown(run: &Run) -> String {
    let machine = &run.machine;
    let mut text = format!(
        "Commit {}, Kubernetes {}, {} cores, load before: {}; the operator's binary has {:.1} MiB.\n\n| figure | target |",
        machine.commit,
        machine.kubernetes,
        machine.cores,
        machine
            .load_before
            .map_or_else(|| "not measured".to_owned(), |load| format!("{load:.1}")),
        machine.operator_mib
    );
    for figures in &run.sizes {
        let _ = write!(text, " {} drives |", figures.drives);
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(run.sizes.len()));
    for (name, target, value) in LINES {
        let _ = write!(text, "\n| {name} | {target} |");
        for figures in &run.sizes {
            let value = value(figures);
            let _ = write!(text, " {} |", value.as_deref().unwrap_or("not measured"));
        }
    }
    text.push('\n');
    text
}

/// Writes everything to a file.
pub fn write_json(file: &Path, run: &Run) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(run).map_err(Error::unreadable("the figures"))?;
    std::fs::write(file, text).map_err(Error::io(format!("writing {}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figures: Figures, name: &str) -> String {
        let machine = Machine {
            cores: 2,
            load_before: None,
            kubernetes: "1".to_owned(),
            commit: "c".to_owned(),
            operator_mib: 1.0,
        };
        let run = Run {
            machine,
            sizes: vec![figures],
        };
        let text = markdown(&run);
        let row = text.lines().find(|line| line.starts_with(&format!("| {name}")));
        row.unwrap_or_else(|| panic!("no row {name} in {text}")).to_owned()
    }

    #[test]
    fn a_figure_that_was_left_out_is_shown_as_not_measured_and_never_as_zero() {
        let run = Run {
            machine: Machine {
                cores: 2,
                load_before: None,
                kubernetes: "1".to_owned(),
                commit: "c".to_owned(),
                operator_mib: 1.0,
            },
            sizes: vec![Figures {
                drives: 100,
                ..Figures::default()
            }],
        };
        let text = markdown(&run);
        let rows: Vec<&str> = text.lines().skip(4).collect();
        assert_eq!(rows.len(), LINES.len());
        for row in rows {
            assert!(row.ends_with("| not measured |"), "{row}");
        }
        let json = serde_json::to_value(&run.sizes).unwrap();
        let left_out = json[0]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != "drives");
        for (name, value) in left_out {
            assert!(value.is_null(), "{name}: {value}");
        }
    }

    #[test]
    fn each_turn_of_the_operator_is_compared_with_the_bare_turns_around_it() {
        let figures = Figures {
            drives: 1,
            bare: Some(Turns {
                seconds: vec![6.0, 8.0, 10.0],
                control_plane_seconds: vec![],
            }),
            backlog: Some(Backlog {
                turns: Turns {
                    seconds: vec![7.0, 18.0],
                    control_plane_seconds: vec![],
                },
                ..Backlog::default()
            }),
            ..Figures::default()
        };
        assert!(row(figures.clone(), "limit").ends_with("| 0.75 (0.50 to 1.00) |"));
        assert!(row(figures.clone(), "bare client").ends_with("| 8.0 (6.0 to 10.0) s |"));
        assert!(row(figures, "CPU of the control plane").ends_with("| not measured |"));
    }
}
