//! A drive in a scenario, as its users see it.

use std::{fmt::Write as _, time::Duration};

use http::Method;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams},
    client::Body,
};
use ras_crds::{ConditionType, RecruitmentDrive};
use ras_tests::{Error, TestNamespace, eventually};
use serde_json::Value;

use crate::{runner::Failure, world::World};

/// How long anything may take, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Lines of a log that are shown of what failed.
const LINES: i64 = 15;

/// A drive in a namespace of its own.
pub struct Drive {
    pub namespace: TestNamespace,
    pub name: String,
    client: Client,
}

impl Drive {
    /// A namespace for a drive of the name; nothing is applied yet.
    pub async fn new(world: &World, name: &str) -> Result<Self, Error> {
        Ok(Self {
            namespace: world.namespace(name).await?,
            name: name.to_owned(),
            client: world.client()?,
        })
    }

    pub fn drives(&self) -> Api<RecruitmentDrive> {
        self.namespace.api()
    }

    pub fn pods(&self) -> Api<Pod> {
        self.namespace.api()
    }

    /// Applies a drive: the head is ours, and `spec` is YAML that is indented by two.
    pub async fn apply(&self, spec: &str) -> Result<(), Error> {
        let name = &self.name;
        let text =
            format!("apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: {name}}}\nspec:\n{spec}");
        self.namespace.apply(&text).await.map(drop)
    }

    /// Waits for the condition Ready of the generation that is there now.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.condition(ConditionType::Ready, "True").await.map(drop)
    }

    /// Waits for a condition, and returns its message.
    pub async fn condition(&self, wanted: ConditionType, status: &str) -> Result<String, Failure> {
        let drives = self.drives();
        let what = format!("{wanted} of {} to be {status}", self.name);
        let found = eventually(PATIENCE, &what, async || {
            let drive = drives.get(&self.name).await?;
            let conditions = drive.status.unwrap_or_default().conditions;
            let current = drive.metadata.generation;
            match conditions.iter().find(|condition| condition.type_ == wanted.as_str()) {
                Some(condition) if condition.status == status && condition.observed_generation == current => {
                    Ok(condition.message.clone())
                }
                Some(condition) => Err(format!("{}: {}", condition.reason, condition.message).into()),
                None => Err("no such condition".into()),
            }
        });
        match found.await {
            Ok(message) => Ok(message),
            Err(error) => Err(format!("{error}\n{}", self.evidence().await).into()),
        }
    }

    /// Waits until the message of a condition contains a word, whatever its status is; returns the message.
    pub async fn condition_mentions(&self, type_: ConditionType, word: &str) -> Result<String, Error> {
        let drives = self.drives();
        eventually(PATIENCE, &format!("{type_} to mention {word}"), async || {
            let status = drives.get(&self.name).await?.status.unwrap_or_default();
            match status.conditions.iter().find(|one| one.type_ == type_.as_str()) {
                Some(condition) if condition.message.contains(word) => Ok(condition.message.clone()),
                Some(condition) => Err(condition.message.clone().into()),
                None => Err("no such condition".into()),
            }
        })
        .await
    }

    /// Deletes it, and waits until it and its pods are gone.
    pub async fn delete(&self) -> Result<(), Error> {
        let drives = self.drives();
        let deleting = format!("deleting {}", self.name);
        drives
            .delete(&self.name, &DeleteParams::foreground())
            .await
            .map_err(|error| Error::Api {
                what: deleting,
                message: error.to_string(),
            })?;
        eventually(PATIENCE, "the drive and its pods to be gone", async || {
            let pods = self.pods().list(&ListParams::default()).await?.items;
            match drives.get_opt(&self.name).await? {
                None if pods
                    .iter()
                    .all(|pod| pod.labels().get("ras.dev/drive") != Some(&self.name)) =>
                {
                    Ok(())
                }
                found => Err(format!("drive there: {}, {} pods", found.is_some(), pods.len()).into()),
            }
        })
        .await
    }

    /// Asks a service's program by way of the API server, and returns the code and the answer.
    pub async fn ask(&self, service: &str, method: Method, path: &str, body: &str) -> Result<(u16, Value), Error> {
        self.ask_at(service, "http", method, path, body).await
    }

    /// The same of another port than that of the name `http`.
    pub async fn ask_at(
        &self,
        service: &str,
        port: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(u16, Value), Error> {
        let uri = format!(
            "/api/v1/namespaces/{}/services/{}-{service}:{port}/proxy{path}",
            self.namespace.name(),
            self.name
        );
        let asking = format!("{method} {uri}");
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(Body::from(body.as_bytes().to_vec()))
            .map_err(|error| api(&asking, &error))?;
        // Not `request_text`: what a program says when it refuses is no `Status` of Kubernetes', and its code would be lost.
        let response = self.client.send(request).await.map_err(|error| api(&asking, &error))?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await;
        let bytes = bytes.map_err(|error| api(&asking, &error))?;
        let answer = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok((code, answer))
    }

    /// Asks until the answer is 200, and returns it.
    pub async fn get(&self, service: &str, path: &str) -> Result<Value, Error> {
        self.get_at(service, "http", path).await
    }

    /// The same of another port than that of the name `http`.
    pub async fn get_at(&self, service: &str, port: &str, path: &str) -> Result<Value, Error> {
        let what = format!("an answer of {service} to {path}");
        eventually(PATIENCE, &what, async || {
            match self.ask_at(service, port, Method::GET, path, "").await? {
                (200, answer) => Ok(answer),
                (code, answer) => Err(format!("{code} {answer}").into()),
            }
        })
        .await
    }

    /// Asks once for something to be done, and returns the answer, which has to be 200.
    pub async fn done(
        &self,
        service: &str,
        port: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<Value, Error> {
        let what = format!("{method} {path} of {service}");
        match self.ask_at(service, port, method, path, body).await? {
            (200, answer) => Ok(answer),
            (code, answer) => Err(Error::Api {
                what,
                message: format!("{code} {answer}"),
            }),
        }
    }

    /// Deletes the pods of a service, and waits until others are there in their place; whether these are ready is not asked.
    pub async fn replace_pods_of(&self, service: &str) -> Result<(), Error> {
        let old = self.pods_of(service).await?;
        for pod in &old {
            self.pods()
                .delete(&pod.name_any(), &DeleteParams::default())
                .await
                .map_err(|error| api("deleting a pod", &error))?;
        }
        eventually(PATIENCE, &format!("other pods of {service}"), async || {
            let new = self.pods_of(service).await?;
            let is_new = |pod: &Pod| old.iter().all(|other| other.uid() != pod.uid());
            if new.len() >= old.len() && new.iter().all(is_new) {
                Ok(())
            } else {
                Err("the old ones".into())
            }
        })
        .await
    }

    /// The pods of a service that are not on their way out.
    pub async fn pods_of(&self, service: &str) -> Result<Vec<Pod>, Error> {
        let selector = format!("ras.dev/drive={},ras.dev/service={service}", self.name);
        let list = self
            .pods()
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(|error| api("listing pods", &error))?;
        let mut pods = list.items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(pods)
    }

    /// Objects that help to find the cause of a failure.
    pub async fn evidence(&self) -> String {
        let mut text = String::new();
        for pod in self
            .pods()
            .list(&ListParams::default())
            .await
            .map(|list| list.items)
            .unwrap_or_default()
        {
            let status = pod.status.clone().unwrap_or_default();
            let _ = writeln!(text, "pod {}: {}", pod.name_any(), status.phase.unwrap_or_default());
            for container in status
                .init_container_statuses
                .into_iter()
                .chain(status.container_statuses)
                .flatten()
            {
                let _ = writeln!(text, "  {}: {:?}", container.name, container.state);
                let params = kube::api::LogParams {
                    container: Some(container.name.clone()),
                    tail_lines: Some(LINES),
                    ..Default::default()
                };
                let log = self.pods().logs(&pod.name_any(), &params).await.unwrap_or_default();
                for line in log.lines() {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
        let events: Api<Event> = self.namespace.api();
        for event in events
            .list(&ListParams::default())
            .await
            .map(|list| list.items)
            .unwrap_or_default()
        {
            if event.type_.as_deref() == Some("Warning") {
                let about = event.involved_object.name.unwrap_or_default();
                let _ = writeln!(text, "event {about}: {}", event.message.unwrap_or_default());
            }
        }
        text
    }
}

/// Tells pods from others that have taken their place.
pub fn uids(pods: &[Pod]) -> Vec<Option<String>> {
    pods.iter().map(kube::ResourceExt::uid).collect()
}

fn api(what: &str, error: &impl std::fmt::Display) -> Error {
    Error::Api {
        what: what.to_owned(),
        message: error.to_string(),
    }
}
