use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{Api, Client};
use serde::Deserialize;

use crate::{Error, eventually};

static MARKERS: AtomicUsize = AtomicUsize::new(0);

/// One request that the API server answered, without its body.
/// See <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Plural, such as `deployments`; empty if the request was not for a resource (`/readyz`, `/apis`).
    pub resource: String,
    /// API group of the resource; empty for the core group.
    pub group: String,
    /// Such as `status`; empty if none.
    pub subresource: String,
    /// Empty for a cluster-wide request.
    pub namespace: String,
    /// Empty for a list or a watch.
    pub name: String,
    /// The path with its query, in which `fieldManager`, `dryRun`, `watch` and so on can be read.
    pub request_uri: String,
    pub user_agent: String,
    /// Who the client proved to be.
    pub username: String,
    /// The pod whose token it used; empty for who is no pod.
    pub pod: String,
    /// When the request came.
    pub received: MicroTime,
    /// HTTP status of the answer; 0 if unknown.
    pub code: u16,
    /// `ResponseComplete`; for a watch first `ResponseStarted` and, when it ends, `ResponseComplete` again.
    pub stage: String,
}

impl AuditEvent {
    /// True for a request for a change, successful or not.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// True for requests for objects. False for discovery, health and the like.
    pub fn is_for_resource(&self) -> bool {
        !self.resource.is_empty()
    }
}

/// A position in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditMark(u64);

impl AuditMark {
    pub const START: Self = Self(0);
}

/// The API server's audit log.
pub struct AuditLog {
    path: PathBuf,
    client: Client,
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf, client: Client) -> Self {
        Self { path, client }
    }

    /// Waits until every request that was answered before this call is in the log, and returns the log's end.
    ///
    /// The server writes an event after the answer has gone out, so the log lags behind by moments: a request of our
    /// own is sent, and waited for. Others' events are written by goroutines of their own, hence the pause after it.
    pub async fn settle(&self) -> Result<AuditMark, Error> {
        let before = self.end()?;
        let marker = format!(
            "audit-marker-{}-{}",
            std::process::id(),
            MARKERS.fetch_add(1, Ordering::Relaxed)
        );
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .get_opt(&marker)
            .await
            .map_err(Error::api("marking the audit log"))?;
        eventually(Duration::from_secs(10), "the marker in the audit log", async || {
            let found = self.events_since(before, |event| event.name == marker)?;
            if found.is_empty() {
                Err("no marker".into())
            } else {
                Ok(())
            }
        })
        .await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.end()
    }

    /// The events after `mark` that `keep` holds for, oldest first. Call [`AuditLog::settle`] first.
    pub fn events_since(&self, mark: AuditMark, keep: impl Fn(&AuditEvent) -> bool) -> Result<Vec<AuditEvent>, Error> {
        let reading = || format!("reading {}", self.path.display());
        let mut file = std::fs::File::open(&self.path).map_err(Error::io(reading()))?;
        file.seek(SeekFrom::Start(mark.0)).map_err(Error::io(reading()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(Error::io(reading()))?;
        // What follows the last line feed is still being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut events = Vec::new();
        for line in whole.lines() {
            let line: Line = serde_json::from_str(line).map_err(Error::unreadable("a line of the audit log"))?;
            let event = AuditEvent::from(line);
            if keep(&event) {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Behind the last whole line: one that is just being written can be seen in part.
    fn end(&self) -> Result<AuditMark, Error> {
        const PART: u64 = 64 * 1024;
        let reading = || format!("reading {}", self.path.display());
        let mut file = std::fs::File::open(&self.path).map_err(Error::io(reading()))?;
        let mut to = file.metadata().map_err(Error::io(reading()))?.len();
        while to > 0 {
            let from = to.saturating_sub(PART);
            file.seek(SeekFrom::Start(from)).map_err(Error::io(reading()))?;
            let mut part = Vec::new();
            (&mut file)
                .take(to - from)
                .read_to_end(&mut part)
                .map_err(Error::io(reading()))?;
            if let Some(index) = part.iter().rposition(|byte| *byte == b'\n') {
                return Ok(AuditMark(from + index as u64 + 1));
            }
            to = from;
        }
        Ok(AuditMark(0))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    request_received_timestamp: MicroTime,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: Extra,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra {
    #[serde(rename = "authentication.kubernetes.io/pod-name")]
    pod: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    api_group: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            verb: line.verb,
            resource: line.object_ref.resource,
            group: line.object_ref.api_group,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            request_uri: line.request_uri,
            user_agent: line.user_agent,
            username: line.user.username,
            pod: line.user.extra.pod.into_iter().next().unwrap_or_default(),
            received: line.request_received_timestamp,
            code: line.response_status.code,
            stage: line.stage,
        }
    }
}
