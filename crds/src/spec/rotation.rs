//! When values that the operator draws are drawn anew, and when nothing of the kind may happen.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::condition::date_time;

use super::bounds;

/// When values that the operator drew are drawn anew. What uses them is rolled out once for all that rotate together.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.every) || has(self.keepWhileOpen)")
    .message("rotate needs every, keepWhileOpen or both, for it says nothing otherwise: set one, or remove rotate"))]
pub struct Rotation {
    /// Time between two rotations in days and hours, for instance `90d` or `12h`. What falls due within a freeze
    /// (`spec.freezes`) rotates right after it. Absent: they rotate only when asked to, by the annotation `ras.dev/rotate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,3}d([0-9]{1,5}h)?$|^[1-9][0-9]{0,4}h$')")
        .message("rotate.every is counted in days and hours, for each rotation restarts what uses the values: write it like 90d or 12h"))]
    pub every: Option<Duration>,

    /// true: nothing rotates while the drive is open, as with a key that would log everybody out and break links that
    /// were mailed. A rotation that is due waits until the drive is closed or suspended. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while_open: Option<bool>,
}

impl Rotation {
    /// Whether nothing rotates while the drive is open.
    pub fn keeps_while_open(&self) -> bool {
        self.keep_while_open.unwrap_or(false)
    }
}

/// A time in which nothing rotates, as the days of the first interviews.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.startsAt < self.endsAt")
    .message("freezes[].endsAt must be later than startsAt: correct one of them")
    .field_path(".endsAt"))]
pub struct Freeze {
    /// Name of the freeze, unique in the drive; messages speak of it.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    pub name: String,

    /// When it begins, with its time zone: `2026-12-01T00:00:00+05:30`.
    #[schemars(schema_with = "date_time")]
    pub starts_at: Time,

    /// When it ends.
    #[schemars(schema_with = "date_time")]
    pub ends_at: Time,
}
