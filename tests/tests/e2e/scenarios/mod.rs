//! One promise a function, in files by what they are about.

mod databases;
mod node;
mod operator;
mod programs;
mod ras;
mod sharing;
mod stores;
mod upgrades;
mod uses;

use crate::runner::Scenario;

/// All of them, the longest first, so that they run beside the others and not after them. What runs alone comes last, and breaks
/// more and more.
pub fn all() -> Vec<Scenario> {
    let mut all = ras::all();
    all.extend(databases::all());
    all.extend(upgrades::all());
    all.extend(stores::all());
    all.extend(uses::all());
    all.extend(sharing::all());
    all.extend(programs::all());
    all.extend(operator::all());
    all.extend(node::all());
    all
}

/// A program with an image, and more YAML at the depth of its fields, and then of the spec's.
fn portal(image: &str, more: &str) -> String {
    format!(
        "  services:
  - name: portal
    image: {image}
    ports: [{{name: http, port: 8080, path: /}}]
    probe: {{port: http, path: /, periodSeconds: 1}}
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
{more}"
    )
}
