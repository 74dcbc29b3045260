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

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, one that the operator is tested with."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["1.34", "1.35", "1.36", "1.37"], var.kubernetes_version)
    error_message = "kubernetes_version must be 1.34, 1.35, 1.36 or 1.37: the operator is tested with these."
  }
}

variable "support_type" {
  description = "What happens when Kubernetes' version is out of standard support: `STANDARD` upgrades it, `EXTENDED` keeps it for six times the price."
  type        = string
  default     = "STANDARD"
  nullable    = false

  validation {
    condition     = contains(["STANDARD", "EXTENDED"], var.support_type)
    error_message = "support_type must be STANDARD or EXTENDED."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the cluster and its nodes, in two zones at least."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones at least: EKS refuses fewer."
  }
}

variable "public_access_cidrs" {
  description = "Networks that reach the Kubernetes API over the internet. Empty: it has no public address, and is reached from inside the VPC."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0))])
    error_message = "public_access_cidrs must be networks: write them like 203.0.113.0/24."
  }

  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "public_access_cidrs may not hold the whole internet (or anything wider than /8): name the networks of your campus or VPN."
  }
}

variable "administrators" {
  description = "IAM roles or users who administer the cluster, by a name of your own. Nobody else gets in, not even who ran Terraform."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.administrators) > 0
    error_message = "administrators must name somebody: without one nobody can enter the cluster."
  }

  validation {
    condition     = alltrue([for arn in values(var.administrators) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[^*]+$", arn))])
    error_message = "administrators must be ARNs of IAM roles or users, such as arn:aws:iam::111122223333:role/platform (of a session: the ARN of its role)."
  }

  validation {
    condition     = length(distinct(values(var.administrators))) == length(var.administrators)
    error_message = "administrators names one ARN twice, and EKS has one entry for each: remove one."
  }
}

variable "compute" {
  description = "Who runs the nodes: `managed`, one node group, or `auto`, EKS Auto Mode, which costs about 12 % more for each instance and needs no care."
  type        = string
  default     = "managed"
  nullable    = false

  validation {
    condition     = contains(["managed", "auto"], var.compute)
    error_message = "compute must be managed or auto."
  }
}

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

  validation {
    condition     = var.nodes.min >= 1 && var.nodes.max >= var.nodes.min && var.nodes.max <= 100
    error_message = "nodes.min must be at least 1, and nodes.max at least nodes.min and at most 100."
  }

  validation {
    condition     = length(var.nodes.instance_types) > 0 && alltrue([for type in var.nodes.instance_types : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", type))])
    error_message = "nodes.instance_types must name instance types such as t3.large."
  }

  validation {
    # EKS gives a nano, micro or small node so few addresses that the add-ons alone fill it.
    condition     = !anytrue([for type in var.nodes.instance_types : can(regex("\\.(nano|micro|small)$", type))])
    error_message = "nodes.instance_types may not be nano, micro or small: the add-ons alone fill such a node. Begin with medium."
  }

  validation {
    condition     = contains(["amd64", "arm64"], var.nodes.architecture)
    error_message = "nodes.architecture must be amd64 or arm64."
  }

  validation {
    # The letter g after the generation marks AWS' own processors: t4g, m7g, c8gd.
    condition     = alltrue([for type in var.nodes.instance_types : can(regex("^[a-z]+[0-9]+g", type)) == (var.nodes.architecture == "arm64")])
    error_message = "nodes.instance_types and nodes.architecture do not fit: types such as t4g and m7g are arm64, others amd64."
  }

  validation {
    condition     = var.nodes.disk_gib >= 20 && var.nodes.disk_gib <= 1000
    error_message = "nodes.disk_gib must be 20 to 1000: images of a portal fill less than 20 quickly."
  }
}

variable "addon_versions" {
  description = "Version of each add-on. `aws eks describe-addon-versions --kubernetes-version 1.35 --addon-name vpc-cni` lists what fits."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for version in values(var.addon_versions) : can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+-eksbuild\\.[0-9]+$", version))])
    error_message = "addon_versions must be whole versions such as v1.20.4-eksbuild.2: `latest` or a part of one would move by itself."
  }

  validation {
    condition = length(setsubtract(
      var.compute == "auto" ? ["metrics-server"] : ["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver", "metrics-server"],
      keys(var.addon_versions)
    )) == 0
    error_message = "addon_versions must name metrics-server, and with compute = managed vpc-cni, kube-proxy, eks-pod-identity-agent, coredns and aws-ebs-csi-driver."
  }

  validation {
    condition     = try(startswith(var.addon_versions["kube-proxy"], "v${var.kubernetes_version}."), true)
    error_message = "addon_versions[\"kube-proxy\"] must be of Kubernetes' own minor version: a proxy of another one is not supported."
  }
}

variable "log_days" {
  description = "For how many days the control plane's log, the audit log within it, is kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days must be a number of days that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or 400."
  }
}

# A boolean has no wrong value.
variable "deletion_protection" {
  description = "Whether AWS refuses to delete the cluster. To destroy it, set this to false and apply first."
  type        = bool
  default     = true
  nullable    = false
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
