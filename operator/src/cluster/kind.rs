//! The kinds of children a drive can have.

use kube::core::{ApiResource, GroupVersionKind};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $group:literal, $version:literal, $plural:literal);+ $(;)?) => {
        /// A kind of child.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant),+ }

        impl Kind {
            /// Every kind there is, in the order in which children are made.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name of the kind in Kubernetes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// Where the API server serves it.
            pub fn resource(self) -> ApiResource {
                match self {
                    $(Self::$variant => ApiResource::from_gvk_with_plural(
                        &GroupVersionKind::gvk($group, $version, stringify!($variant)), $plural)),+
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
}

impl Kind {
    /// Whether the cluster may lack this kind, because another project brings it.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::PrometheusRule)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
