//! `ExternalSecret`: asks the External Secrets operator for what lives in a store outside the cluster. It fills the Secret;
//! we see the values as little as those of any other.

use std::collections::BTreeMap;

use super::{labels, metadata};
use crate::foreign::external_secret::{
    Data, DataFrom, ExternalSecret, ExternalSecretSpec, RemoteRef, StoreRef, Target, Template, TemplateMetadata,
};
use crate::plan::{self, Plan};
use crate::valid::{ExternalSource, ValidExternal};

pub(super) fn build(plan: &Plan<'_>, external: &ValidExternal) -> Option<ExternalSecret> {
    let drive = plan.drive;
    let version = plan::external_secret::filled_by(plan.fetched, external)?;
    let (data, data_from) = match &external.source {
        ExternalSource::Whole(place) => (Vec::new(), vec![DataFrom { extract: at(place) }]),
        ExternalSource::Keys(keys) => {
            let data = keys.iter().map(|key| Data {
                secret_key: key.name.clone(),
                remote_ref: RemoteRef {
                    property: key.property.clone(),
                    version: key.version.clone(),
                    ..at(&key.key)
                },
            });
            (data.collect(), Vec::new())
        }
    };
    Some(ExternalSecret::new(
        version,
        metadata::of_drive(drive, external.secret_name.clone()),
        ExternalSecretSpec {
            refresh_interval: external.refresh_interval.clone(),
            secret_store_ref: StoreRef {
                name: external.store.clone(),
                kind: external.store_kind.as_str().to_owned(),
            },
            target: Target {
                name: external.secret_name.clone(),
                // The Secret goes when the drive no longer asks for it: the store has the values.
                creation_policy: "Owner".to_owned(),
                // But not because the store lost them: programs that run go on running.
                deletion_policy: "Retain".to_owned(),
                template: Template {
                    type_: "Opaque".to_owned(),
                    // Without a template their operator copies all labels and annotations of the ExternalSecret, our hash
                    // among them, and each change of those would look like new values.
                    metadata: TemplateMetadata {
                        labels: BTreeMap::from([(labels::DRIVE.to_owned(), drive.name.clone())]),
                    },
                },
            },
            data,
            data_from,
        },
    ))
}

fn at(place: &str) -> RemoteRef {
    RemoteRef {
        key: place.to_owned(),
        ..RemoteRef::default()
    }
}
