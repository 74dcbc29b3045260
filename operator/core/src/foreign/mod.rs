//! The few fields we set of other projects' kinds.
//!
//! Only what we send is here: a whole copy of another project's types would have to follow its releases,
//! and server-side apply leaves alone what we do not mention.

pub mod cloud_native_pg;
pub mod external_secret;
pub mod prometheus_rule;
pub mod service_monitor;

pub use prometheus_rule::{PrometheusRule, PrometheusRuleSpec, Rule, RuleGroup};
pub use service_monitor::{Endpoint, Selector, ServiceMonitor, ServiceMonitorSpec};

/// Makes a namespaced kind of its spec, with `k8s-openapi`'s traits, so that it can be applied like any other.
macro_rules! foreign_kind {
    ($(#[$doc:meta])* $kind:ident, spec: $spec:ty, group: $group:literal, version: $version:literal, plural: $plural:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $kind {
            api_version: String,
            kind: String,
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            pub spec: $spec,
        }

        impl $kind {
            /// One object of this kind.
            pub fn new(metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, spec: $spec) -> Self {
                Self {
                    api_version: <Self as k8s_openapi::Resource>::API_VERSION.to_owned(),
                    kind: <Self as k8s_openapi::Resource>::KIND.to_owned(),
                    metadata,
                    spec,
                }
            }
        }

        impl k8s_openapi::Resource for $kind {
            const API_VERSION: &'static str = concat!($group, "/", $version);
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = $version;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::NamespaceResourceScope;
        }

        impl k8s_openapi::Metadata for $kind {
            type Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }
    };
}
use foreign_kind;
