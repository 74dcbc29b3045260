//! A control plane of these tests' own: they store hundreds of drives, which no operator of another test shall see, and
//! need every kind that a drive can make.

use kube::{
    Api, Client, Error as KubeError,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use ras_tests::{Cluster, Error, ForeignProject, TestNamespace};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    copy::{definition, install},
    generate::{Generator, repaired},
    random::Random,
};

/// How often a generated drive is changed until the API server accepts it.
const ATTEMPTS: usize = 40;

/// The control plane, with the CRD of this repository and those of other projects.
pub(super) async fn schema_cluster() -> Result<&'static Cluster, Error> {
    static CLUSTER: OnceCell<Result<Cluster, Error>> = OnceCell::const_new();
    let start = || async {
        let cluster = Cluster::start().await?;
        for project in [
            ForeignProject::PrometheusOperator,
            ForeignProject::CertManager,
            ForeignProject::ExternalSecrets,
            ForeignProject::CloudNativePG,
        ] {
            cluster.install(project).await?;
        }
        install(&cluster, &definition()).await?;
        Ok(cluster)
    };
    CLUSTER.get_or_init(start).await.as_ref().map_err(Clone::clone)
}

/// The schema of the spec.
pub(super) fn spec_schema() -> Value {
    definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// The drives of a namespace.
pub(super) fn drives(namespace: &TestNamespace) -> Api<DynamicObject> {
    drives_of(namespace.client(), namespace.name())
}

pub(super) fn drives_of(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("ras.dev", "v1alpha1", "RecruitmentDrive");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

/// A drive with this spec.
pub(super) fn drive(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "ras.dev/v1alpha1", "kind": "RecruitmentDrive", "metadata": {"name": name}, "spec": spec})
}

/// Dry run: the object that the API server would store, or the fields that it rejects.
pub(super) async fn tried(drives: &Api<DynamicObject>, drive: &Value) -> Result<DynamicObject, Vec<(String, String)>> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object: DynamicObject = serde_json::from_value(drive.clone()).unwrap();
    match drives.create(&params, &object).await {
        Ok(stored) => Ok(stored),
        Err(KubeError::Api(status)) if status.code == 422 => {
            let causes = status.details.map(|details| details.causes).unwrap_or_default();
            // An admission policy names no field. Those for all drives are about what services ask for.
            let field = |field: String| {
                if field.is_empty() {
                    "spec.services".to_owned()
                } else {
                    field
                }
            };
            let causes = causes.into_iter();
            Err(causes.map(|cause| (field(cause.field), cause.message)).collect())
        }
        Err(error) => panic!("{error}: {drive}"),
    }
}

/// A drive that the API server accepts, generated for this case; or nothing when none came of many attempts.
pub(super) async fn accepted(
    drives: &Api<DynamicObject>,
    schema: &Value,
    seed: u64,
    case: u64,
) -> Option<DynamicObject> {
    let mut generator = Generator {
        random: Random::of_case(seed, case),
        spec: schema,
        density: 0,
    };
    generator.density = *generator.random.pick(&[5, 8, 12, 20, 30]);
    let mut drive = drive(&format!("d-{case}"), &generator.spec());
    for _ in 0..ATTEMPTS {
        match tried(drives, &drive).await {
            Ok(stored) => return Some(stored),
            Err(causes) => {
                for (field, _) in causes {
                    repaired(&mut drive, &field, &mut generator);
                }
            }
        }
    }
    None
}
