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

variable "vpc_id" {
  description = "VPC of the server."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-", var.vpc_id))
    error_message = "vpc_id must be the ID of a VPC, such as vpc-0a1b2c3d."
  }
}

variable "subnet_ids" {
  description = "Subnets of the server, in two zones at least; no route should lead out of them."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones at least: RDS refuses fewer, even for one server."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name of your own. Addresses are not taken: a group follows its members."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.client_security_group_ids) > 0
    error_message = "client_security_group_ids must name a group: nobody could connect."
  }
}

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = string
  default     = "17"
  nullable    = false

  validation {
    condition     = contains(["15", "16", "17", "18"], var.postgres_version)
    error_message = "postgres_version must be 15, 16, 17 or 18, without a minor version: those come by themselves."
  }
}

variable "instance_class" {
  description = "Size of the server."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class must be a class of RDS such as db.t4g.medium."
  }
}

variable "storage" {
  description = "Disk in GiB at first, and how far AWS may let it grow before it is full. A disk never shrinks."
  type = object({
    gib     = optional(number, 20)
    max_gib = optional(number, 100)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.storage.gib >= 20 && var.storage.max_gib <= 65536
    error_message = "storage.gib must be at least 20 and storage.max_gib at most 65536, as RDS asks."
  }

  validation {
    condition     = var.storage.max_gib > var.storage.gib
    error_message = "storage.max_gib must be more than storage.gib: a full disk stops every drive at once."
  }
}

# A boolean has no wrong value.
variable "multi_az" {
  description = "Whether a second server stands by in another zone: twice the price, and a minute instead of hours without a database when a zone fails."
  type        = bool
  default     = false
  nullable    = false
}

# A boolean has no wrong value.
variable "force_ssl" {
  description = "Whether connections without TLS are refused. A portal that says `sslmode=disable` cannot connect while it is true."
  type        = bool
  default     = true
  nullable    = false
}

# A boolean has no wrong value: classes that cannot do it are refused by AWS in a clear sentence.
variable "performance_insights" {
  description = "Whether AWS records what the server waits for; seven days of it cost nothing, but the smallest classes cannot."
  type        = bool
  default     = false
  nullable    = false
}

variable "backup_days" {
  description = "For how many days the server can be set back to any second."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "backup_days must be 7 to 35: AWS keeps no more, and less than a week is no time to notice a mistake in."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the disk and its snapshots. Absent: AWS' key for RDS, which snapshots cannot leave the account with."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

# A boolean has no wrong value.
variable "deletion_protection" {
  description = "Whether AWS refuses to delete the server. To destroy it, set this to false and apply first; a last snapshot is taken all the same."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_days" {
  description = "For how many days PostgreSQL's log is kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days must be a number of days that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or 400."
  }
}
