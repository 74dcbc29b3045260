//! The kinds of children a drive can have.

use kube::core::{ApiResource, GroupVersionKind};

/// Name of a kind in Kubernetes: the variant's name, unless `as` gives another.
macro_rules! name {
    ($variant:ident) => {
        stringify!($variant)
    };
    ($variant:ident $name:literal) => {
        $name
    };
}

macro_rules! kinds {
    (@without_last $($variant:ident)+) => {
        concat!("let handled = |kind: Kind| match kind { ", kinds!(@arms $($variant)+), "};")
    };
    (@arms $last:ident) => { "" };
    (@arms $variant:ident $($rest:ident)+) => {
        concat!("Kind::", stringify!($variant), " => true, ", kinds!(@arms $($rest)+))
    };
    ($($(#[$doc:meta])* $variant:ident $(as $name:literal)? => $group:literal, $version:literal, $plural:literal);+ $(;)?) => {
        /// A kind of child object.
        ///
        /// Code that handles kinds matches every one of them without a `_` arm, so that a new kind does not compile
        /// until each place handles it:
        ///
        /// ```
        /// # use ras_core::kind::Kind;
        #[doc = concat!("let handled = |kind: Kind| match kind { ", $("Kind::", stringify!($variant), " => true, ",)+ "};")]
        /// assert!(Kind::ALL.iter().all(|kind| handled(*kind)));
        /// ```
        ///
        /// The same match without its last arm is an error:
        ///
        /// ```compile_fail,E0004
        /// # use ras_core::kind::Kind;
        #[doc = kinds!(@without_last $($variant)+)]
        /// assert!(Kind::ALL.iter().all(|kind| handled(*kind)));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant),+ }

        impl Kind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => name!($variant $($name)?)),+ }
            }

            pub fn resource(self) -> ApiResource {
                match self {
                    $(Self::$variant => ApiResource::from_gvk_with_plural(
                        &GroupVersionKind::gvk($group, $version, name!($variant $($name)?)), $plural)),+
                }
            }
        }
    };
}

kinds! {
    /// Identity of the pods.
    ServiceAccount => "", "v1", "serviceaccounts";
    /// Generated credentials.
    Secret => "", "v1", "secrets";
    /// Templates of files.
    ConfigMap => "", "v1", "configmaps";
    /// Storage that outlives pods.
    PersistentVolumeClaim => "", "v1", "persistentvolumeclaims";
    /// Allowed connections.
    NetworkPolicy => "networking.k8s.io", "v1", "networkpolicies";
    /// A stable name for pods.
    Service => "", "v1", "services";
    /// A database server.
    StatefulSet => "apps", "v1", "statefulsets";
    /// Database servers that CloudNativePG runs.
    Cluster => "postgresql.cnpg.io", "v1", "clusters";
    /// Backup schedule of a CloudNativePG cluster.
    ScheduledBackup => "postgresql.cnpg.io", "v1", "scheduledbackups";
    /// Migrations and the preparation of databases.
    Job => "batch", "v1", "jobs";
    /// A service's pods.
    Deployment => "apps", "v1", "deployments";
    /// Scales a Deployment by load.
    HorizontalPodAutoscaler => "autoscaling", "v2", "horizontalpodautoscalers";
    /// Limits how many pods are evicted at once.
    PodDisruptionBudget => "policy", "v1", "poddisruptionbudgets";
    /// The route from outside.
    Ingress => "networking.k8s.io", "v1", "ingresses";
    /// Scrape targets of Prometheus.
    ServiceMonitor => "monitoring.coreos.com", "v1", "servicemonitors";
    /// Alerts.
    PrometheusRule => "monitoring.coreos.com", "v1", "prometheusrules";
    /// Copies values from an external store into a Secret.
    ExternalSecret => "external-secrets.io", "v1", "externalsecrets";
    /// The version that External Secrets served before release 0.16 and removed in 0.17.
    ExternalSecretBeta as "ExternalSecret" => "external-secrets.io", "v1beta1", "externalsecrets";
}

impl Kind {
    /// True for kinds of another project's API, which the cluster may not serve.
    pub fn is_optional(self) -> bool {
        match self {
            Self::ExternalSecret
            | Self::ExternalSecretBeta
            | Self::Cluster
            | Self::ScheduledBackup
            | Self::ServiceMonitor
            | Self::PrometheusRule => true,
            Self::ServiceAccount
            | Self::Secret
            | Self::ConfigMap
            | Self::PersistentVolumeClaim
            | Self::NetworkPolicy
            | Self::Service
            | Self::StatefulSet
            | Self::Job
            | Self::Deployment
            | Self::HorizontalPodAutoscaler
            | Self::PodDisruptionBudget
            | Self::Ingress => false,
        }
    }

    /// True for optional kinds that a portal works without.
    pub fn is_monitoring(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::PrometheusRule)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
