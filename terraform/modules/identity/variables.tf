variable "name" {
  description = "Name of the platform. It begins the name of everything that is made, and is the value of the tag `ras.dev/platform`."
  type        = string
  nullable    = false

  validation {
    # IAM roles get a suffix and must stay within 64 characters, buckets within 63.
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name must hold 3 to 24 of a-z, 0-9 and '-', begin with a letter and end with a letter or digit: write it like campus-2026."
  }
}

variable "tags" {
  description = "Tags of everything that is made, in addition to `ras.dev/platform`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(key, "aws:") && !startswith(key, "ras.dev/")])
    error_message = "tags may not begin with aws: (AWS refuses them) or ras.dev/ (the operator tells its buckets by them): choose other keys."
  }
}

variable "cluster_name" {
  description = "Name of the EKS cluster. It needs the Pod Identity agent, which Auto Mode has built in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$", var.cluster_name))
    error_message = "cluster_name must be the name of an EKS cluster."
  }
}

variable "cluster_arn" {
  description = "ARN of the same cluster: roles trust its pods and no other cluster's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:eks:[a-z0-9-]+:[0-9]{12}:cluster/[^*?]+$", var.cluster_arn))
    error_message = "cluster_arn must be the whole ARN of an EKS cluster, without a wildcard."
  }
}

variable "bucket_prefix" {
  description = "What the name of every bucket of a drive begins with; it bounds the operator's role. The same stands in the operator's settings."
  type        = string
  default     = "ras"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$", var.bucket_prefix))
    error_message = "bucket_prefix must hold 1 to 20 of a-z, 0-9 and '-', and begin and end with a letter or digit, as the operator asks."
  }
}

variable "operator" {
  description = "Namespace and service account of the operator."
  type = object({
    namespace       = optional(string, "ras-system")
    service_account = optional(string, "ras-operator")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in values(var.operator) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "operator.namespace and operator.service_account must be names of Kubernetes objects: a-z, 0-9 and '-'."
  }
}

variable "drives" {
  description = "Names of drives whose programs use buckets, by namespace: `{ spo = [\"placements-2026\"] }`. The names may be there before the drives are."
  type        = map(set(string))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in concat(keys(var.drives), flatten([for drives in values(var.drives) : tolist(drives)])) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))])
    error_message = "drives must be names of namespaces and drives: a-z, 0-9 and '-', no wildcards."
  }

  validation {
    # The policy matches <prefix>-<namespace>-*, and a bucket of namespace a-b begins with <prefix>-a-, too.
    condition     = alltrue([for one in keys(var.drives) : !anytrue([for other in keys(var.drives) : startswith(other, "${one}-")])])
    error_message = "drives names a namespace that begins with another one and '-', such as spo and spo-test: programs in the first could reach buckets of the second. Name it test-spo, for instance."
  }

  validation {
    # Longer names are cut by the operator, and a namespace that is cut off would match nothing.
    condition     = alltrue([for namespace in keys(var.drives) : length("${var.bucket_prefix}-${namespace}-") <= 52])
    error_message = "drives names a namespace that does not fit into a bucket's name: prefix and namespace may have 50 characters together."
  }

  validation {
    condition     = !contains(keys(var.drives), var.operator.namespace)
    error_message = "drives may not live in the operator's own namespace: whoever makes pods there can use the operator's role."
  }
}

variable "external_secrets" {
  description = "Service account of External Secrets, and what it may read of Secrets Manager: everything below `prefix`/, and secrets named by ARN. Absent: no role is made."
  type = object({
    namespace       = optional(string, "external-secrets")
    service_account = optional(string, "external-secrets")
    prefix          = string
    secret_arns     = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.external_secrets == null || can(regex("^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$", var.external_secrets.prefix))
    error_message = "external_secrets.prefix must be the beginning of secrets' names such as campus/ras, without a wildcard and without a '/' at the end."
  }

  validation {
    condition     = var.external_secrets == null || alltrue([for arn in try(var.external_secrets.secret_arns, []) : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", arn))])
    error_message = "external_secrets.secret_arns must be whole ARNs of secrets, without wildcards."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role that is made. Absent: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:policy/", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of an IAM policy."
  }
}
