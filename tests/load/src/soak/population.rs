//! The drives there are to be, and how the cluster is brought to have them.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use ras_crds::RecruitmentDrive;
use ras_tests::Error;
use serde_json::{Value, json};

use super::shape::{self, PortalSettings, Shape};

/// One drive as it is to be.
#[allow(clippy::struct_excessive_bools)] // Each may be with each.
#[derive(Clone, Debug)]
pub struct Planned {
    pub namespace: String,
    pub name: String,
    pub shape: Shape,
    /// Objects with data are retained when the drive is deleted.
    pub keeps: bool,
    pub settings: PortalSettings,
    /// The drive should exist.
    pub wanted: bool,
    /// It exists and is not being deleted.
    pub there: bool,
    /// The wanted spec is not written yet.
    pub unsaid: bool,
    /// It is to be deleted. True: after its children.
    pub doomed: Option<bool>,
}

impl Planned {
    pub fn new(number: usize, namespace: String) -> Self {
        Self {
            namespace,
            name: format!("drive-{number}"),
            shape: Shape::of(number / 4),
            // Of those of each namespace every other one.
            keeps: (number / 4).is_multiple_of(2),
            settings: PortalSettings::default(),
            wanted: true,
            there: false,
            unsaid: false,
            doomed: None,
        }
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The whole object, for a namespace.
    pub fn object(&self) -> Value {
        let host = format!("{}.example.edu", self.name);
        json!({
            "apiVersion": "ras.dev/v1alpha1",
            "kind": "RecruitmentDrive",
            "metadata": {"name": self.name},
            "spec": shape::spec(self.shape, &host, self.keeps, &self.settings),
        })
    }

    fn api(&self, client: &Client) -> Api<RecruitmentDrive> {
        Api::namespaced(client.clone(), &self.namespace)
    }

    /// Says what is wished of it, as far as the API server can be reached: what could not be said is said the next time.
    ///
    /// # Errors
    /// When the API server refuses it: the soak test is wrong then.
    pub async fn say(&mut self, client: &Client) -> Result<(), Error> {
        let api = self.api(client);
        if let Some(foreground) = self.doomed {
            let how = if foreground {
                DeleteParams::foreground()
            } else {
                DeleteParams::background()
            };
            match api.delete(&self.name, &how).await {
                Ok(_) => self.doomed = None,
                Err(error) if code(&error) == 404 => self.doomed = None,
                Err(error) => return bearable(error, &self.key()),
            }
            self.there = false;
        }
        if self.wanted && !self.there {
            let drive: RecruitmentDrive =
                serde_json::from_value(self.object()).map_err(Error::unreadable(self.key()))?;
            match api.create(&PostParams::default(), &drive).await {
                Ok(_) => (self.there, self.unsaid) = (true, false),
                // Either the one before is still going, or an answer was lost.
                Err(error) if code(&error) == 409 => {
                    let found = api.get_opt(&self.name).await.ok().flatten();
                    self.there = found.is_some_and(|found| found.metadata.deletion_timestamp.is_none());
                }
                Err(error) => return bearable(error, &self.key()),
            }
        }
        if self.there && self.unsaid {
            // Written whole, as an editor does: what is left out goes.
            match api.get_opt(&self.name).await {
                Ok(Some(found)) if found.metadata.deletion_timestamp.is_none() => {
                    let mut changed: RecruitmentDrive =
                        serde_json::from_value(self.object()).map_err(Error::unreadable(self.key()))?;
                    changed.metadata.resource_version = found.metadata.resource_version;
                    match api.replace(&self.name, &PostParams::default(), &changed).await {
                        Ok(_) => self.unsaid = false,
                        Err(error) => return bearable(error, &self.key()),
                    }
                }
                Ok(_) => self.there = false,
                Err(error) => return bearable(error, &self.key()),
            }
        }
        Ok(())
    }

    /// Asks for what the contract forbids. Whether that was refused; nothing when nobody answered.
    pub async fn ask_for_nonsense(&self, client: &Client) -> Option<bool> {
        let mut object = self.object();
        if let Some(replicas) = object.pointer_mut("/spec/services/0") {
            *replicas = json!({"name": "Not A Name", "image": "x", "replicas": -1});
        }
        let params = PatchParams::apply("nonsense").force();
        match self.api(client).patch(&self.name, &params, &Patch::Apply(object)).await {
            Ok(_) => Some(false),
            Err(error) => (code(&error) == 422).then_some(true),
        }
    }
}

/// The status of an API server's answer; 0 when there was none.
pub fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    }
}

/// A request that got no answer, or none because the server is busy or was just started, is sent again later.
fn bearable(error: kube::Error, what: &str) -> Result<(), Error> {
    match code(&error) {
        400 | 422 => Err(Error::api(what.to_owned())(error)),
        _ => Ok(()),
    }
}
