//! The kinds of children a drive can have.

use kube::core::{ApiResource, GroupVersionKind};

/// Name of a kind in Kubernetes: the variant's own, unless another one is given.
macro_rules! name {
    ($variant:ident) => {
        stringify!($variant)
    };
    ($variant:ident $name:literal) => {
        $name
    };
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $(as $name:literal)? => $group:literal, $version:literal, $plural:literal);+ $(;)?) => {
        /// A kind of child.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant),+ }

        impl Kind {
            /// Every kind there is, in the order in which children are made.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name of the kind in Kubernetes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => name!($variant $($name)?)),+ }
            }

            /// Where the API server serves it.
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
    /// Who may talk to whom.
    NetworkPolicy => "networking.k8s.io", "v1", "networkpolicies";
    /// A stable name for pods.
    Service => "", "v1", "services";
    /// A database server.
    StatefulSet => "apps", "v1", "statefulsets";
    /// Database servers that CloudNativePG runs.
    Cluster => "postgresql.cnpg.io", "v1", "clusters";
    /// When CloudNativePG copies what its servers hold.
    ScheduledBackup => "postgresql.cnpg.io", "v1", "scheduledbackups";
    /// What runs once to its end, before programs start.
    Job => "batch", "v1", "jobs";
    /// The programs.
    Deployment => "apps", "v1", "deployments";
    /// How many pods run, by load.
    HorizontalPodAutoscaler => "autoscaling", "v2", "horizontalpodautoscalers";
    /// How many pods may go at once.
    PodDisruptionBudget => "policy", "v1", "poddisruptionbudgets";
    /// The route from outside.
    Ingress => "networking.k8s.io", "v1", "ingresses";
    /// Where Prometheus finds metrics.
    ServiceMonitor => "monitoring.coreos.com", "v1", "servicemonitors";
    /// When to alert.
    PrometheusRule => "monitoring.coreos.com", "v1", "prometheusrules";
    /// What to take from a store outside the cluster.
    ExternalSecret => "external-secrets.io", "v1", "externalsecrets";
    /// The same, as releases before 0.16 serve it and releases from 0.17 on no longer do.
    ExternalSecretBeta as "ExternalSecret" => "external-secrets.io", "v1beta1", "externalsecrets";
}

impl Kind {
    /// Whether the cluster may lack this kind, because another project brings it.
    pub fn is_optional(self) -> bool {
        let theirs = matches!(
            self,
            Self::ExternalSecret | Self::ExternalSecretBeta | Self::Cluster | Self::ScheduledBackup
        );
        self.is_monitoring() || theirs
    }

    /// Whether a portal does without it as well.
    pub fn is_monitoring(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::PrometheusRule)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
