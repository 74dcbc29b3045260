# Validated by the module network.
variable "name" {
  description = "Name of the platform. It begins the name of everything that is made, and is the value of the tag `ras.dev/platform`."
  type        = string
  nullable    = false
}

# Validated by the module network.
variable "tags" {
  description = "Tags of everything that is made, in addition to `ras.dev/platform`."
  type        = map(string)
  default     = {}
  nullable    = false
}

# Validated by the module network.
variable "cidr" {
  description = "Addresses of the VPC. Every pod takes one, so three quarters go to the private subnets."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false
}

# Validated by the module network.
variable "zones" {
  description = "Two or three availability zones, named in full so that a plan never depends on what AWS lists that day. Add at the end; changing the order moves subnets."
  type        = list(string)
  nullable    = false
}

# Validated by the module network.
variable "nat" {
  description = "Way out for nodes: `none` (nothing leaves, AWS is reached through interface endpoints), `single` (one NAT gateway; when its zone fails, nodes of all zones lose the internet), `per_zone`."
  type        = string
  default     = "single"
  nullable    = false
}

# Validated by the module network.
variable "interface_endpoints" {
  description = "AWS services that are reached through an endpoint inside the VPC, by the end of their service name, for instance `ecr.api`. Each costs by the hour and zone; without NAT nodes cannot start without the seven of the check below."
  type        = set(string)
  default     = []
  nullable    = false
}

# Validated by the module cluster.
variable "kubernetes_version" {
  description = "Minor version of Kubernetes, one that the operator is tested with."
  type        = string
  nullable    = false
}

# Validated by the module cluster.
variable "support_type" {
  description = "What happens when Kubernetes' version is out of standard support: `STANDARD` upgrades it, `EXTENDED` keeps it for six times the price."
  type        = string
  default     = "STANDARD"
  nullable    = false
}

# Validated by the module cluster.
variable "public_access_cidrs" {
  description = "Networks that reach the Kubernetes API over the internet. Empty: it has no public address, and is reached from inside the VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

# Validated by the module cluster.
variable "administrators" {
  description = "IAM roles or users who administer the cluster, by a name of your own. Nobody else gets in, not even who ran Terraform."
  type        = map(string)
  nullable    = false
}

# Validated by the module cluster.
variable "compute" {
  description = "Who runs the nodes: `managed`, one node group, or `auto`, EKS Auto Mode, which costs about 12 % more for each instance and needs no care."
  type        = string
  default     = "managed"
  nullable    = false
}

# Validated by the module cluster.
variable "nodes" {
  description = "The managed node group. Auto Mode does not look at it."
  type = object({
    instance_types = optional(list(string), ["t3.large"])
    architecture   = optional(string, "amd64")
    min            = optional(number, 2)
    max            = optional(number, 4)
    disk_gib       = optional(number, 40)
    spot           = optional(bool, false)
  })
  default  = {}
  nullable = false
}

# Validated by the module cluster.
variable "addon_versions" {
  description = "Version of each add-on. `aws eks describe-addon-versions --kubernetes-version 1.35 --addon-name vpc-cni` lists what fits."
  type        = map(string)
  nullable    = false
}

# Validated by the module cluster.
variable "log_days" {
  description = "For how many days the control plane's log, the audit log within it, is kept."
  type        = number
  default     = 30
  nullable    = false
}

# Validated by the module network.
variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role that is made. Absent: none."
  type        = string
  default     = null
}

# Validated by the module identity.
variable "bucket_prefix" {
  description = "What the name of every bucket of a drive begins with; it bounds the operator's role. The same stands in the operator's settings."
  type        = string
  default     = "ras"
  nullable    = false
}

# Validated by the module identity.
variable "operator" {
  description = "Namespace and service account of the operator."
  type = object({
    namespace       = optional(string, "ras-system")
    service_account = optional(string, "ras-operator")
  })
  default  = {}
  nullable = false
}

# Validated by the module identity.
variable "drives" {
  description = "Names of drives whose programs use buckets, by namespace: `{ spo = [\"placements-2026\"] }`. The names may be there before the drives are."
  type        = map(set(string))
  default     = {}
  nullable    = false
}

# Validated by the module identity.
variable "external_secrets" {
  description = "Service account of External Secrets, and what it may read of Secrets Manager: everything below `prefix`/, and secrets named by ARN. Absent: no role is made."
  type = object({
    namespace       = optional(string, "external-secrets")
    service_account = optional(string, "external-secrets")
    prefix          = string
    secret_arns     = optional(list(string), [])
  })
  default = null
}

# Validated by the module database.
variable "database" {
  description = "An RDS server for PostgreSQL; see the module database. Absent: none, and drives bring their own."
  type = object({
    postgres_version     = optional(string, "17")
    instance_class       = optional(string, "db.t4g.medium")
    storage              = optional(object({ gib = optional(number, 20), max_gib = optional(number, 100) }), {})
    multi_az             = optional(bool, false)
    force_ssl            = optional(bool, true)
    performance_insights = optional(bool, false)
    backup_days          = optional(number, 14)
    kms_key_arn          = optional(string)
  })
  default = null
}

# Its fields are validated by the module storage.
variable "backup" {
  description = "A bucket for backups; see the module storage. Absent: none."
  type = object({
    encryption             = optional(string, "SSE-S3")
    lock                   = optional(object({ mode = string, days = number }))
    keep_old_versions_days = optional(number, 90)
    destroy_with_contents  = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.backup == null || !startswith("${var.name}-", "${var.bucket_prefix}-")
    error_message = "backup goes into a bucket that begins with name, and everything that begins with bucket_prefix is the operator's to delete: choose another name or another prefix."
  }
}

# A boolean has no wrong value.
variable "protect" {
  description = "Whether AWS refuses to delete the cluster and the database. To destroy the platform, set this to false and apply first: that is being told twice."
  type        = bool
  default     = true
  nullable    = false
}

variable "operator_image" {
  description = "Image of the operator, which also renders files in drives' pods. Absent: as the operator was built."
  type        = string
  default     = null

  validation {
    condition     = var.operator_image == null || can(regex("^[^\\s]+[:@][^\\s/]+$", var.operator_image))
    error_message = "operator_image must name an image with its version, such as registry.example.com/ras-operator:0.1.0."
  }
}

variable "image_pull_secrets" {
  description = "Names of Secrets with which images of drives are pulled."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.image_pull_secrets : can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", name))])
    error_message = "image_pull_secrets must be names of Secrets."
  }
}

variable "ingress" {
  description = "How drives are routed: class, annotations of every Ingress, the controller's namespace, and whether issuers are a `ClusterIssuer` or an `Issuer`."
  type = object({
    class_name           = optional(string)
    annotations          = optional(map(string), {})
    controller_namespace = optional(string)
    issuer_kind          = optional(string, "ClusterIssuer")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["ClusterIssuer", "Issuer"], var.ingress.issuer_kind)
    error_message = "ingress.issuer_kind must be ClusterIssuer or Issuer."
  }

  validation {
    condition     = alltrue([for key in keys(var.ingress.annotations) : !strcontains(key, "snippet")])
    error_message = "ingress.annotations may hold no snippets: they configure the controller itself, for everybody."
  }
}

variable "monitoring" {
  description = "Prometheus' namespace and the labels by which it selects what drives export."
  type = object({
    namespace = optional(string)
    labels    = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.monitoring.labels) : !startswith(key, "ras.dev/") && !startswith(key, "app.kubernetes.io/")])
    error_message = "monitoring.labels may not set ras.dev/ or app.kubernetes.io/ labels: the operator finds its objects by them."
  }
}

variable "storage_class_name" {
  description = "StorageClass of drives' volumes; the output `storage_class_yaml` is the class itself."
  type        = string
  default     = "gp3"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.storage_class_name))
    error_message = "storage_class_name must be the name of a Kubernetes object."
  }
}
