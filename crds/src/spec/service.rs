//! A service: one program of the portal.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    Autoscaling, EgressRule, EnvFrom, EnvVar, File, InitContainer, Metrics, Migrate, PodMetadata, PodSecurity, Port,
    Probe, PullPolicy, Resources, RolloutStrategy, Scheduling, Sidecar, Uses, Volume, bounds,
};

/// One program of the portal: an image, what it listens on, what it needs and how many of it run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))")
    .message("replicas and autoscaling exclude each other: remove one of them")
    .field_path(".replicas"))]
#[x_kube(validation = Rule::new("!has(self.volumes) || !self.volumes.exists(v, has(v.size) && (!has(v.accessMode) || v.accessMode != 'ReadWriteMany')) || (!has(self.autoscaling) && (!has(self.replicas) || self.replicas <= 1))")
    .message("volumes[] with a size that one node alone can mount let the service run as one replica: set replicas to 1, remove autoscaling, or set volumes[].accessMode to ReadWriteMany")
    .field_path(".volumes"))]
#[x_kube(validation = Rule::new("!has(self.rollout) || self.rollout == 'Recreate' || !has(self.volumes) || !self.volumes.exists(v, has(v.size) && (!has(v.accessMode) || v.accessMode != 'ReadWriteMany'))")
    .message("rollout must be Recreate with a volume of a size that one node alone can mount, or the new pod would wait for ever for the old one: remove rollout, or set volumes[].accessMode to ReadWriteMany")
    .field_path(".rollout"))]
#[x_kube(validation = Rule::new("!has(self.probe) || !has(self.probe.port) || (has(self.ports) && self.ports.exists(p, p.name == self.probe.port))")
    .message("probe.port must be the name of one of this service's ports: add the port, or correct the name")
    .field_path(".probe.port"))]
#[x_kube(validation = Rule::new("!has(self.probe) || !has(self.probe.port) || !has(self.ports) || !self.ports.exists(p, p.name == self.probe.port && has(p.protocol) && p.protocol != 'TCP')")
    .message("probe.port must be a TCP port, for TCP, HTTP and gRPC probes all run on that: name another port")
    .field_path(".probe.port"))]
#[x_kube(validation = Rule::new("!has(self.metrics) || (has(self.ports) && self.ports.exists(p, p.name == self.metrics.port))")
    .message("metrics.port must be the name of one of this service's ports: add the port, or correct the name")
    .field_path(".metrics.port"))]
#[x_kube(validation = Rule::new("!has(self.metrics) || !has(self.ports) || !self.ports.exists(p, p.name == self.metrics.port && has(p.protocol) && p.protocol != 'TCP')")
    .message("metrics.port must be a TCP port, for metrics are read over HTTP: name another port")
    .field_path(".metrics.port"))]
#[x_kube(validation = Rule::new("!has(self.sidecars) || self.sidecars.all(c, c.name != self.name && c.name != 'render-files')")
    .message("sidecars[].name may be neither the service's own name nor render-files, for these containers are in the pod already: choose another name")
    .field_path(".sidecars"))]
#[x_kube(validation = Rule::new("!has(self.sidecars) || !has(self.ports) || self.sidecars.all(c, !has(c.ports) || (!sets.intersects(c.ports.map(p, p.name), self.ports.map(p, p.name)) && !sets.intersects(c.ports.map(p, has(p.protocol) && p.protocol == 'UDP' ? p.port + 65536 : p.port), self.ports.map(p, has(p.protocol) && p.protocol == 'UDP' ? p.port + 65536 : p.port))))")
    .message("sidecars[].ports must have names and numbers that the service's own ports do not have, for all containers of a pod share one network: change the helper's port")
    .field_path(".sidecars"))]
#[x_kube(validation = Rule::new("!has(self.sidecars) || ([self.sidecars.filter(c, has(c.ports) && c.ports.size() > 0).map(c, c.ports.map(p, p.name))].all(l, l.all(a, l.exists_one(b, sets.intersects(a, b)))) && [self.sidecars.filter(c, has(c.ports) && c.ports.size() > 0).map(c, c.ports.map(p, has(p.protocol) && p.protocol == 'UDP' ? p.port + 65536 : p.port))].all(l, l.all(a, l.exists_one(b, sets.intersects(a, b)))))")
    .message("sidecars[].ports of two helpers may not have the same name or number, for all containers of a pod share one network: change one of them")
    .field_path(".sidecars"))]
#[x_kube(validation = Rule::new("!has(self.files) || !has(self.volumes) || [self.volumes.map(v, v.path + '/')].all(l, self.files.map(f, f.path + '/').all(d, !l.exists(v, v.startsWith(d))))")
    .message("files[].path may not be the path of a volume or of a folder above it, for one place cannot be a file and a folder: change one of them")
    .field_path(".files"))]
#[x_kube(validation = Rule::new("!has(self.autoscaling) || !has(self.autoscaling.targetCPUUtilization) || !has(self.resources) || !has(self.resources.requests) || 'cpu' in self.resources.requests")
    .message("autoscaling by targetCPUUtilization is a share of the CPU request: set resources.requests.cpu, or leave resources.requests out for the default")
    .field_path(".autoscaling"))]
#[x_kube(validation = Rule::new("!has(self.autoscaling) || !has(self.autoscaling.targetMemoryUtilization) || !has(self.resources) || !has(self.resources.requests) || 'memory' in self.resources.requests")
    .message("autoscaling by targetMemoryUtilization is a share of the memory request: set resources.requests.memory, or leave resources.requests out for the default")
    .field_path(".autoscaling"))]
#[x_kube(validation = Rule::new("!has(self.uses) || !has(self.uses.bindings) || ((!has(self.volumes) || self.volumes.all(v, v.path != '/bindings' && !v.path.startsWith('/bindings/'))) && (!has(self.files) || self.files.all(f, f.path != '/bindings' && !f.path.startsWith('/bindings/'))))")
    .message("volumes[].path and files[].path may not be /bindings or below it beside uses.bindings, whose files are there: choose another path")
    .field_path(".uses"))]
#[x_kube(validation = Rule::new("!has(self.hostname) || (!has(self.autoscaling) && (!has(self.replicas) || self.replicas <= 1))")
    .message("hostname lets the service run as one replica, because two pods would have the same name: set replicas to 1 and remove autoscaling, or remove hostname")
    .field_path(".hostname"))]
#[x_kube(validation = Rule::new("!has(self.preStopSleepSeconds) || self.preStopSleepSeconds == 0 || self.preStopSleepSeconds < (has(self.terminationGracePeriodSeconds) ? self.terminationGracePeriodSeconds : 30)")
    .message("preStopSleepSeconds must be less than terminationGracePeriodSeconds (default 30), which includes it: raise terminationGracePeriodSeconds or lower preStopSleepSeconds")
    .field_path(".preStopSleepSeconds"))]
pub struct Service {
    /// Name of the service, unique in the drive. Its Deployment and Service are named `<drive>-<name>`.
    #[schemars(length(min = 1, max = 40), regex(pattern = bounds::PART_NAME))]
    #[x_kube(validation = Rule::new("self != 'render-files'")
        .message("services[].name may not be render-files, for the container that writes the files has that name: choose another name"))]
    pub name: String,

    /// Image to run, by tag or digest, for instance `registry.example.com/ras-backend:2026.07`.
    #[schemars(length(min = 1, max = 512), regex(pattern = bounds::IMAGE))]
    pub image: String,

    /// When the image is pulled. Absent: Kubernetes decides (Always for `:latest`, else `IfNotPresent`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,

    /// Replaces the image's entry point. `$(VAR)` is expanded from this service's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub command: Vec<String>,

    /// Replaces the image's arguments. `$(VAR)` is expanded from this service's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_WORDS), inner(length(max = bounds::LONGEST_WORD)))]
    pub args: Vec<String>,

    /// Directory in which the program starts, and against which it resolves relative paths, for instance
    /// `/var/lib/ras`. It is also where `migrate` starts, unless that sets its own. Default: the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = bounds::LONGEST_DIRECTORY))]
    #[x_kube(validation = Rule::new(bounds::IS_DIRECTORY)
        .message("services[].workingDir must be an absolute path without '..': write it like /var/lib/ras"))]
    pub working_dir: Option<String>,

    /// What the program listens on. A program that only works in the background has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new(bounds::PORTS_DIFFER)
        .message("ports[].port must be a number that no other port of this service has: change one of them"))]
    pub ports: Vec<Port>,

    /// How many pods run. Absent, and without autoscaling: one to begin with, then whatever `kubectl scale` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,

    /// Let Kubernetes choose the number of pods by load. Excludes `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// How a new version replaces the old one. Absent: `RollingUpdate`, or Recreate where a volume of this
    /// service can be mounted by one pod at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStrategy>,

    /// Environment of the program, in this order. A value may use variables above it as `$(VAR)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::MOST_VARIABLES))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,

    /// Whole secrets as environment: each key of the secret becomes a variable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub env_from: Vec<EnvFrom>,

    /// What of the drive the program uses under default names. Absent: what its `env` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<Uses>,

    /// Files put in place before the program starts, written inside the pod from this service's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    #[x_kube(validation = Rule::new("self.map(f, has(f.content) ? f.content.size() : 0).sum() <= 900000")
        .message("files of one service may have 900000 characters together, for a ConfigMap holds them: put large files into the image or a volume"))]
    pub files: Vec<File>,

    /// What has to run, once for each version, before the program of that version starts. Until it succeeded the pods that
    /// run stay as they are and go on serving, and so do those of every other service that has the same image. Absent:
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<Migrate>,

    /// Names of services that have to be ready before this one starts for the first time; `cache` and `database` may be among
    /// them. It delays nothing later: neither a new version nor a pod that is replaced. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub after: Vec<String>,

    /// Storage of the program beside its read-only image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<Volume>,

    /// How Kubernetes finds out that the program serves. Absent: a service with ports is ready once its
    /// first TCP port accepts connections; nothing is guessed about paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,

    /// Where the program exports metrics in Prometheus' text format, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,

    /// CPU and memory of one pod. Absent: requests of 100m CPU and 128Mi memory, a limit of 512Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Seconds a pod gets to finish its work after it was told to stop, `preStopSleepSeconds` included. Absent: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub termination_grace_period_seconds: Option<i64>,

    /// Seconds for which a pod that stops keeps running before its containers receive SIGTERM (`lifecycle.preStop.sleep`).
    /// Set it for a program that exits at SIGTERM without finishing what it holds in memory. It must be less than
    /// `terminationGracePeriodSeconds`; 0 sends SIGTERM at once. Default: 5, at most half of
    /// `terminationGracePeriodSeconds`, for a pod with ports whose rollout is not Recreate; otherwise 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86399))]
    pub pre_stop_sleep_seconds: Option<i64>,

    /// Which nodes the pods may run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,

    /// What this service needs beyond the restricted pod security that every pod has. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,

    /// Host name of the pod, for programs that identify themselves by it. The service then runs as one replica. Absent: the
    /// pod's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = bounds::HOST_NAME))]
    pub hostname: Option<String>,

    /// Labels and annotations that the pods get besides the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_metadata: Option<PodMetadata>,

    /// Containers that run to their end, one after the other, before the program starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub init_containers: Vec<InitContainer>,

    /// Helper containers that live in the same pod and see the same volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sidecars: Vec<Sidecar>,

    /// The only addresses outside the drive that pods may open connections to, beside the cluster's DNS.
    /// Absent: all but those that the platform blocks. An empty list: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub egress: Option<Vec<EgressRule>>,
}
