//! A reconcile of the operator in the modelled cluster, which can end between any two writes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Container;
use ras_core::build::Credential;
use ras_core::fetched::{JobFacts, PodRun, SecretFacts};

use super::world::{Environment, Memory, Stored, Work, World};
use crate::planned::{build, job_of, record_of};

impl World {
    /// True if the Secret has to be written.
    pub fn lacks(&self, credential: &Credential) -> bool {
        let known = self.secrets.get(credential.secret.metadata.name.as_ref().unwrap());
        let Some(facts) = known.map(|stored| &stored.facts) else {
            return true;
        };
        let asked = credential.notes.generation;
        if credential.roll_back {
            return facts.generation == asked && facts.rolled_back != asked;
        }
        credential.rotate && facts.generation.unwrap_or_default() < asked.unwrap_or_default()
    }

    /// Writes a Secret: new values, or that their rotation is rolled back.
    pub fn place(&mut self, credential: &Credential) {
        let name = credential.secret.metadata.name.clone().unwrap();
        let known = self.secrets.get(&name).cloned();
        let version = known.as_ref().map_or(0, |stored| stored.version) + 1;
        // Who writes a note moves the times of all that it wrote, and notes are merged into what is there.
        let keys = Some(BTreeMap::from([("password".to_owned(), self.now.to_string())]));
        let rolled_back = known.as_ref().and_then(|stored| stored.facts.rolled_back);
        let stored = match known {
            Some(stored) if credential.roll_back => Stored {
                value: stored.value,
                version,
                facts: SecretFacts {
                    keys,
                    rolled_back: credential.notes.generation,
                    ..stored.facts
                },
            },
            _ => {
                self.drawn += 1;
                let facts = SecretFacts {
                    certificate: None,
                    touch: String::new(),
                    keys,
                    version: String::new(),
                    drawn_at: Some(self.now),
                    rotated_for: credential.notes.request.clone(),
                    generation: credential.notes.generation,
                    rolled_back,
                    is_complete: true,
                };
                Stored {
                    value: self.drawn,
                    version,
                    facts,
                }
            }
        };
        self.secrets.insert(name, stored);
    }

    /// One walk of the operator, which dies after so many writes.
    pub fn walk(&mut self, memory: Memory, mut writes: usize) {
        let valid = self.valid(memory);
        let desired = build(&valid);
        let mut may_write = || {
            let may = writes > 0;
            writes = writes.saturating_sub(1);
            may
        };
        let mut made = false;
        for credential in &desired.credentials {
            if !self.lacks(credential) {
                continue;
            }
            if !may_write() {
                return;
            }
            self.place(credential);
            made = true;
        }
        let preparation = job_of(&valid).unwrap();
        for job in &desired.jobs {
            let name = job.metadata.name.clone().unwrap();
            if self.jobs.contains_key(&name) {
                continue;
            }
            if !may_write() {
                return;
            }
            let facts = JobFacts {
                purpose: "prepare".to_owned(),
                work: preparation.work.clone(),
                pods: vec![PodRun::BlockedBy(None)],
                ..JobFacts::default()
            };
            let request = preparation.request.clone();
            let work = Work {
                request,
                facts,
                mounted: None,
                lingers: false,
            };
            self.jobs.insert(name, work);
        }
        for deployment in &desired.deployments {
            let child = deployment.metadata.name.clone().unwrap();
            let environment = environment(
                &deployment
                    .spec
                    .as_ref()
                    .unwrap()
                    .template
                    .spec
                    .as_ref()
                    .unwrap()
                    .containers,
            );
            if desired.blocked.contains_key(&child) || self.programs.get(&child) == Some(&environment) {
                continue;
            }
            if !may_write() {
                return;
            }
            if self.programs.insert(child.clone(), environment.clone()).is_none() {
                let pods = vec![self.start(&environment), self.start(&environment)];
                self.pods.insert(child, pods);
            }
        }
        let kept: BTreeSet<&String> = desired.kept_jobs.iter().collect();
        let gone: Vec<String> = self.jobs.keys().filter(|name| !kept.contains(name)).cloned().collect();
        for name in gone {
            if !self.jobs[&name].lingers {
                if !may_write() {
                    return;
                }
                self.forget(&name);
            }
        }
        // What was drawn is looked at anew before anything is built.
        if made || !may_write() {
            return;
        }
        let status = record_of(&valid).unwrap();
        if status != self.status {
            self.history.push(std::mem::replace(&mut self.status, status));
        }
    }
}

/// Which user has which Secret, by the variables of a program.
pub fn environment(containers: &[Container]) -> Environment {
    let mut environment = Environment::new();
    for variable in containers.iter().flat_map(|container| container.env.iter().flatten()) {
        let Some(name) = variable.name.strip_suffix("_USER").filter(|name| *name != "DATABASE") else {
            continue;
        };
        let password = format!("{name}_PASSWORD");
        let mut all = containers.iter().flat_map(|container| container.env.iter().flatten());
        let secret = all
            .find(|other| other.name == password)
            .and_then(|other| other.value_from.clone()?.secret_key_ref)
            .unwrap();
        environment.insert(variable.value.clone().unwrap(), secret.name);
    }
    environment
}
