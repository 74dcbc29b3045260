//! What one reconcile works on: the drive, what its status said before, and the settings, which stay the same for the whole
//! reconcile.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use ras_core::cache;
use ras_core::fetched::Fetched;
use ras_core::plan::Plan;
use ras_core::plan::data::{self, Data};
use ras_core::platform::PlatformConfig;
use ras_core::report::{self, Observed, ReconcileOutcome};
use ras_crds::{RecruitmentDrive, RecruitmentDriveStatus};

use crate::apply::Applier;
use crate::controller::context::Context;
use crate::controller::reconcile_error::Error;
use crate::controller::status_writer::{self, Patched, StatusUpdate};
use crate::informer::store::DriveKey;
use crate::{fetch, listeners};

/// One reconcile of one drive.
pub struct Scope<'a> {
    /// The key of the drive.
    pub key: &'a DriveKey,
    pub uid: &'a str,
    /// The drive as people wrote it.
    pub written: &'a RecruitmentDrive,
    /// The drive with its cache as one more service: the status covers all services.
    pub drive: Cow<'a, RecruitmentDrive>,
    /// The status that was written last.
    pub before: RecruitmentDriveStatus,
    /// When the reconcile began.
    pub now: Time,
    pub platform: Arc<PlatformConfig>,
    /// Shared by all reconciles.
    pub context: &'a Context,
}

impl<'a> Scope<'a> {
    pub async fn open(key: &'a DriveKey, drive: &'a RecruitmentDrive, context: &'a Context) -> Self {
        let platform = context.platform.now();
        let uid = drive.metadata.uid.as_deref().unwrap_or_default();
        context.rejections.read(&context.child_client, key, uid).await;
        Self {
            key,
            uid,
            written: drive,
            drive: cache::expanded(drive, &platform.cache),
            before: status_writer::last(key, &drive.metadata, drive.status.as_ref(), context),
            now: Time(Timestamp::now()),
            platform,
            context,
        }
    }

    /// Step 5, as far as the drive is concerned: who writes its children.
    pub fn applier(&self) -> Applier<'a> {
        Applier {
            child_client: &self.context.child_client,
            drive: self.key,
            uid: self.uid,
        }
    }

    /// Step 1: what exists.
    pub fn fetch(&self) -> Fetched {
        fetch::fetch(self.key, &self.drive, &self.before, &self.now, self.context)
    }

    /// Compares the recorded data of the drive with the live objects. Also done for a drive that is not valid.
    pub fn data(&self) -> Data {
        let used = data::used(&self.drive);
        let live = fetch::live_data(self.key, self.uid, &used, &self.before, self.context);
        data::judge(&self.drive, &used, &live, &self.before.data)
    }

    pub fn observe(&self, data: Data, plan: Option<&Plan<'_>>) -> Observed {
        let observed = fetch::observe(self.key, &self.drive, data, &self.now, self.context);
        let listeners =
            plan.and_then(|plan| listeners::follow(self.key, plan, &observed.deployments, &self.before, self.context));
        Observed {
            refused_before: report::listeners::refused_since(&self.before),
            listeners,
            ..observed
        }
    }

    /// Step 6: the status.
    pub fn status(&self, observed: &Observed, outcome: &ReconcileOutcome<'_>) -> RecruitmentDriveStatus {
        report::status(&self.drive, observed, outcome, &self.before, &self.now)
    }

    /// Writes the status, when it differs from what is there.
    pub async fn update_status(&self, status: RecruitmentDriveStatus) -> Result<(), Error> {
        let update = StatusUpdate {
            key: self.key,
            meta: &self.written.metadata,
            before: &self.before,
            suspended: self.drive.spec.is_suspended(),
            patched: Patched::Apply,
        };
        update.write(status, self.context).await
    }
}
