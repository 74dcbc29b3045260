//! A pod that sends requests to a service all the time: the program in `tests/load-generator`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::DeleteParams};
use ras_tests::{Error, eventually};
use serde::Deserialize;
use serde_json::json;

use crate::{
    drive::{Drive, PATIENCE},
    images::LOAD_GENERATOR,
    runner::Failure,
};

/// How many answers count as proof that requests arrived in the meantime.
const SOME: usize = 50;

/// The counts for one address; the program documents each number.
#[derive(Clone, Debug, Deserialize)]
pub struct Counts {
    /// Answers 200 by what they were.
    pub answered: BTreeMap<String, usize>,
    pub failed: usize,
    pub failures: Vec<String>,
    pub connections: usize,
    pub retried: usize,
    /// Milliseconds.
    pub slowest: u64,
    pub longest_pause: u64,
}

impl Counts {
    fn all(&self) -> usize {
        self.answered.values().sum()
    }

    /// Fails if a request failed; otherwise a sentence with the counts.
    pub fn none_failed(&self) -> Result<String, Failure> {
        if self.failed > 0 {
            let (failed, all) = (self.failed, self.all());
            let failures = self.failures.join("\n");
            return Err(format!("{failed} requests failed, {all} were answered; the first ones:\n{failures}").into());
        }
        Ok(format!(
            "{} requests on {} connections, none failed, {} were sent once more by the client, slowest {} ms, longest pause {} ms",
            self.all(),
            self.connections,
            self.retried,
            self.slowest,
            self.longest_pause
        ))
    }
}

/// A pod of the load generator.
pub struct LoadGenerator {
    name: String,
    pods: Api<Pod>,
    client: Client,
    uri: String,
    address: String,
}

impl LoadGenerator {
    /// Starts sending requests to an address, and returns after the first answer.
    pub async fn start(drive: &Drive, name: &str, address: String) -> Result<Self, Error> {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "load-generator",
                    "image": LOAD_GENERATOR,
                    "args": [address],
                    "securityContext": {
                        "readOnlyRootFilesystem": true,
                        "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
            },
        });
        // JSON is YAML.
        drive.namespace.apply(&pod.to_string()).await?;
        let this = Self {
            name: name.to_owned(),
            pods: drive.pods(),
            client: drive.namespace.client(),
            uri: format!("/api/v1/namespaces/{}/pods/{name}:8080/proxy/", drive.namespace.name()),
            address,
        };
        this.more_than(0).await?;
        Ok(this)
    }

    /// The address of a service of a drive.
    pub fn address(drive: &Drive, service: &str) -> String {
        format!(
            "http://{}-{service}.{}.svc.cluster.local:8080/",
            drive.name,
            drive.namespace.name()
        )
    }

    /// The counts so far.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let asking = |error: &dyn std::fmt::Display| Error::Api {
            what: format!("asking the load generator of {}", self.address),
            message: error.to_string(),
        };
        let request = http::Request::get(&self.uri)
            .body(Vec::new())
            .map_err(|error| asking(&error))?;
        let mut all: BTreeMap<String, Counts> = self.client.request(request).await.map_err(|error| asking(&error))?;
        all.remove(&self.address)
            .ok_or_else(|| asking(&"it has no counts for that address"))
    }

    /// Waits until some more were answered than by now, and returns what was counted.
    pub async fn go_on(&self) -> Result<Counts, Error> {
        let now = self.counts().await?.all();
        self.more_than(now + SOME).await
    }

    /// Waits until a version of the portal has answered.
    pub async fn meet(&self, version: u32) -> Result<(), Error> {
        let answer = json!({"version": version.to_string()}).to_string();
        eventually(PATIENCE, &format!("an answer of version {version}"), async || {
            let counts = self.counts().await?;
            if counts.answered.contains_key(&answer) {
                Ok(())
            } else {
                Err(format!("{counts:?}").into())
            }
        })
        .await
    }

    async fn more_than(&self, number: usize) -> Result<Counts, Error> {
        let what = format!("more than {number} answers from {}", self.address);
        eventually(PATIENCE, &what, async || {
            let counts = self.counts().await?;
            if counts.all() > number {
                Ok(counts)
            } else {
                Err(format!("{counts:?}").into())
            }
        })
        .await
    }

    /// Deletes the pod, and returns the counts.
    pub async fn leave(self) -> Result<Counts, Failure> {
        let counts = self.go_on().await?;
        self.pods.delete(&self.name, &DeleteParams::default()).await?;
        Ok(counts)
    }
}
