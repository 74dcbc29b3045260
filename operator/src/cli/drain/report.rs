//! The report, as text or JSON. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::item::{Item, ItemState};
use super::plan::DrainPlan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing was to be done but to look.
    DryRun,
    /// Nothing more was to be done.
    Done,
    /// It waits for a manual action.
    Stuck,
    /// There was no more time.
    OutOfTime,
}

/// All of it, for `-o json`. Fields are added, and none is taken away or gets another meaning.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    safe_to_destroy: bool,
    dry_run: bool,
    timed_out: bool,
    items: Vec<Line<'a>>,
    unseen: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    kind: &'a str,
    name: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_out: Option<&'a str>,
}

fn line(item: &Item) -> Line<'_> {
    let (state, reason, way_out): (_, Option<&str>, Option<&str>) = match &item.state {
        ItemState::Delete(more) => ("ToBeDeleted", more.as_deref(), None),
        ItemState::Follows(how) => ("GoesWithAnother", Some(how), None),
        ItemState::Going(waits) => ("Going", Some(waits), None),
        ItemState::InTheWay { reason, way_out, .. } => ("InTheWay", Some(reason), Some(way_out)),
        ItemState::Kept { reason, way_out } => ("Kept", Some(reason), way_out.as_deref()),
        ItemState::EndsWithTheCluster(why) => ("EndsWithTheCluster", Some(why), None),
    };
    Line {
        kind: &item.kind,
        name: &item.name,
        state,
        reason,
        way_out,
    }
}

/// The report for a script.
pub fn json(plan: &DrainPlan, end: End) -> Result<String, serde_json::Error> {
    let report = Report {
        safe_to_destroy: plan.is_safe(),
        dry_run: end == End::DryRun,
        timed_out: end == End::OutOfTime,
        items: plan.items.iter().map(line).collect(),
        unseen: &plan.unseen,
    };
    serde_json::to_string_pretty(&report).map(|text| text + "\n")
}

const SECTIONS: &[(&str, &str)] = &[
    ("ToBeDeleted", "to be deleted, in this order"),
    ("GoesWithAnother", "goes with these"),
    ("Going", "going, and waiting for"),
    ("InTheWay", "in the way"),
    ("Kept", "kept, also after the cluster is gone; it goes on costing"),
    ("EndsWithTheCluster", "ends with the cluster"),
];

/// The report for a person. Its last line is the answer.
pub fn text(plan: &DrainPlan, end: End) -> String {
    let mut text = String::new();
    for (state, title) in SECTIONS {
        let lines: Vec<Line<'_>> = plan
            .items
            .iter()
            .map(line)
            .filter(|line| line.state == *state)
            .collect();
        if lines.is_empty() {
            continue;
        }
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{title}:");
        for line in lines {
            let _ = write!(text, "  {} {}", line.kind, line.name);
            if let Some(reason) = line.reason {
                let _ = write!(text, ": {reason}");
            }
            let _ = writeln!(text);
            if let Some(way_out) = line.way_out {
                let _ = writeln!(text, "      {way_out}");
            }
        }
    }
    for unseen in &plan.unseen {
        let _ = writeln!(text, "unseen: {unseen}");
    }
    let _ = writeln!(text, "{}", answer(plan, end));
    text
}

/// The answer, in a line.
pub fn answer(plan: &DrainPlan, end: End) -> String {
    if plan.is_safe() {
        return "safe to destroy".to_owned();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in plan.items.iter().filter(|item| item.state.is_open()) {
        *counts.entry(line(item).state).or_default() += 1;
    }
    let words = SECTIONS.iter().filter_map(|(state, _)| {
        let word = match *state {
            "ToBeDeleted" => "to be deleted",
            "GoesWithAnother" => "going with these",
            "Going" => "still going",
            _ => "in the way",
        };
        counts.get(state).map(|count| format!("{count} {word}"))
    });
    let mut words: Vec<String> = words.collect();
    if !plan.unseen.is_empty() {
        words.push(format!("{} kinds could not be listed", plan.unseen.len()));
    }
    let why = match end {
        End::DryRun => ". Nothing was done: run it again with --yes",
        End::Done | End::Stuck => ". Do what is said above, then run this again",
        End::OutOfTime => ". There was no more time: run this again, or give it a longer --timeout",
    };
    format!("NOT safe to destroy: {}{why}", words.join(", "))
}

/// Changes since the last plan, one line each.
pub fn progress(before: &DrainPlan, now: &DrainPlan) -> Vec<String> {
    let known = |plan: &DrainPlan| -> BTreeMap<(String, String), ItemState> {
        let items = plan.items.iter().filter(|item| item.state.is_open());
        items
            .map(|item| ((item.kind.clone(), item.name.clone()), item.state.clone()))
            .collect()
    };
    let (before, now) = (known(before), known(now));
    let mut said = Vec::new();
    for (kind, name) in before.keys().filter(|key| !now.contains_key(*key)) {
        said.push(format!("{kind} {name} is done"));
    }
    for ((kind, name), state) in &now {
        if before.get(&(kind.clone(), name.clone())) == Some(state) {
            continue;
        }
        match state {
            ItemState::Going(waits) => said.push(format!("{kind} {name} is going, waiting for {waits}")),
            ItemState::InTheWay { reason, way_out, .. } => said.push(format!("{kind} {name}: {reason}: {way_out}")),
            _ => {}
        }
    }
    said
}
