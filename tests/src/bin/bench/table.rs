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

/// What was measured at one number of drives. Times are in milliseconds unless a name says otherwise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub drives: usize,
    pub objects_a_drive: usize,
    /// Before the operator and after it.
    pub bare_seconds: [f64; 2],
    pub operator_seconds: f64,
    pub limit_ratio: f64,
    pub bare_control_plane_seconds: f64,
    pub operator_control_plane_seconds: f64,
    pub operator_processor_seconds: f64,
    pub requests_a_drive: f64,
    pub writes_a_drive: f64,
    pub requests: BTreeMap<String, usize>,
    pub requests_for_one_image: usize,
    pub one_image: BTreeMap<String, usize>,
    pub requests_at_rest_in_30_s: usize,
    pub resident_mib: f64,
    pub highest_mib: f64,
    pub resident_mib_before_secrets: Option<f64>,
    pub resident_mib_with_secrets: Option<f64>,
    pub pick_up: Percentiles,
    pub pick_up_with_broken: Percentiles,
    pub requests_of_broken: usize,
    pub drift: Percentiles,
    pub start_to_answering: f64,
    pub restart_to_listed: f64,
    pub restart_to_first_write: f64,
    pub restart_processor_seconds: f64,
    pub requests_after_restart: usize,
    pub writes_after_restart: usize,
    pub failover_asked: f64,
    pub failover_killed: f64,
    pub ready_seconds: Option<f64>,
    pub ready_requests: Option<BTreeMap<String, usize>>,
    pub ready_resident_mib: Option<f64>,
}

/// A figure, its target, and how it is read.
type Line = (&'static str, &'static str, fn(&Figures) -> String);

const LINES: [Line; 22] = [
    ("objects a drive", "", |f| f.objects_a_drive.to_string()),
    ("bare client → operator → bare client", "", |f| {
        let [before, after] = f.bare_seconds;
        format!("{before:.1} → {:.1} → {after:.1} s", f.operator_seconds)
    }),
    ("limit: bare ÷ operator", "≥ 0.9", |f| {
        format!("{:.2}", f.limit_ratio)
    }),
    ("control plane's processor: bare → operator", "", |f| {
        format!(
            "{:.1} → {:.1} s",
            f.bare_control_plane_seconds, f.operator_control_plane_seconds
        )
    }),
    ("operator's processor a drive", "not growing", |f| {
        format!("{:.1} ms", each(f, f.operator_processor_seconds * 1_000.0))
    }),
    ("requests a new drive", "", |f| format!("{:.1}", f.requests_a_drive)),
    ("of these, writes of children", "the objects", |f| {
        format!("{:.1}", f.writes_a_drive)
    }),
    ("requests for one image", "what differs", |f| {
        f.requests_for_one_image.to_string()
    }),
    ("requests at rest in 30 s", "0", |f| {
        f.requests_at_rest_in_30_s.to_string()
    }),
    ("resident / highest", "< 60 MiB at 1,000", |f| {
        format!("{:.1} / {:.1} MiB", f.resident_mib, f.highest_mib)
    }),
    (
        "resident: before → with unrelated Secrets",
        "no visible rise",
        |f| match (f.resident_mib_before_secrets, f.resident_mib_with_secrets) {
            (Some(before), Some(with)) => format!("{before:.1} → {with:.1} MiB"),
            _ => String::new(),
        },
    ),
    ("pick-up p50 / p99", "p99 < 50 ms", |f| times(f.pick_up)),
    ("pick-up beside 50 broken drives", "unchanged", |f| {
        times(f.pick_up_with_broken)
    }),
    ("drift: Deployment back p50 / p99", "", |f| times(f.drift)),
    ("start to answering", "", |f| format!("{:.0} ms", f.start_to_answering)),
    ("restart to all listed", "", |f| {
        format!("{:.0} ms", f.restart_to_listed)
    }),
    ("restart to first useful write", "", |f| {
        format!("{:.0} ms", f.restart_to_first_write)
    }),
    ("writes (requests) after a restart without news", "0", |f| {
        format!("{} ({})", f.writes_after_restart, f.requests_after_restart)
    }),
    ("failover after SIGTERM", "< 1 s", |f| {
        format!("{:.0} ms", f.failover_asked)
    }),
    ("failover after SIGKILL", "< 20 s", |f| {
        format!("{:.0} ms", f.failover_killed)
    }),
    (
        "drives of one pod: all Ready after",
        "peer: 100 in 30 s, 1,000 in 200 s",
        |f| f.ready_seconds.map_or_else(String::new, |time| format!("{time:.1} s")),
    ),
    (
        "the same: requests a drive, resident",
        "peer: 25; 130 MiB at 1,000",
        |f| {
            match (&f.ready_requests, f.ready_resident_mib) {
                (Some(requests), Some(resident)) => {
                    #[allow(clippy::cast_precision_loss)]
                    // Counts of requests are far below what a float holds exactly.
                    let requests = requests.values().sum::<usize>() as f64;
                    format!("{:.1}, {resident:.1} MiB", each(f, requests))
                }
                _ => String::new(),
            }
        },
    ),
];

#[allow(clippy::cast_precision_loss)] // As above.
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
        "Commit {}, Kubernetes {}, {} cores, load {:.1} before; the operator's program has {:.1} MiB.\n\n| figure | target |",
        machine.commit, machine.kubernetes, machine.cores, machine.load_before, machine.operator_mib
    );
    for figures in &run.sizes {
        let _ = write!(text, " {} drives |", figures.drives);
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(run.sizes.len()));
    for (name, target, value) in LINES {
        let _ = write!(text, "\n| {name} | {target} |");
        for figures in &run.sizes {
            let _ = write!(text, " {} |", value(figures));
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
