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

variable "purpose" {
  description = "What the bucket is for: `state` or `backup`. It stands in the bucket's name."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["state", "backup"], var.purpose)
    error_message = "purpose must be state or backup."
  }
}

variable "encryption" {
  description = "Whose key encrypts: `SSE-S3` (Amazon's; free), `own-key` (a key is made: a dollar a month, and its use is logged) or the ARN of a key that is there."
  type        = string
  default     = "SSE-S3"
  nullable    = false

  validation {
    condition     = contains(["SSE-S3", "own-key"], var.encryption) || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.encryption))
    error_message = "encryption must be SSE-S3, own-key or the ARN of a KMS key (not of an alias, which S3 cannot take)."
  }
}

variable "lock" {
  description = "Locks every new object for `days` days. `GOVERNANCE`: somebody with a special right can still delete it; `COMPLIANCE`: nobody can, not even the account's owner. Absent: no lock. It is decided when the bucket is made."
  type = object({
    mode = string
    days = number
  })
  default = null

  validation {
    condition     = var.lock == null || contains(["GOVERNANCE", "COMPLIANCE"], try(var.lock.mode, ""))
    error_message = "lock.mode must be GOVERNANCE or COMPLIANCE."
  }

  validation {
    condition     = var.lock == null || (try(var.lock.days, 0) >= 1 && try(var.lock.days, 0) <= 3650)
    error_message = "lock.days must be 1 to 3650."
  }

  validation {
    condition     = var.lock == null || var.purpose != "state"
    error_message = "lock does not go with purpose = state: Terraform deletes its lock file after every run, and a locked one could never be released."
  }

  validation {
    condition     = var.lock == null || try(var.lock.mode, "") != "COMPLIANCE" || !var.destroy_with_contents
    error_message = "destroy_with_contents does not go with a COMPLIANCE lock, which nobody can lift: set it to false or choose GOVERNANCE."
  }
}

variable "keep_old_versions_days" {
  description = "For how many days an object that was overwritten or deleted can be brought back."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.keep_old_versions_days >= 7 && var.keep_old_versions_days <= 3650
    error_message = "keep_old_versions_days must be 7 to 3650: less than a week is no time to notice a mistake in."
  }

  validation {
    condition     = var.keep_old_versions_days >= try(var.lock.days, 0)
    error_message = "keep_old_versions_days must be at least lock.days: nothing can expire while it is locked."
  }
}

variable "drives_prefix" {
  description = "Prefix of the buckets that the operator makes. This bucket must not have it, for what has it is the operator's to delete."
  type        = string
  default     = "ras"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$", var.drives_prefix))
    error_message = "drives_prefix must hold 1 to 20 of a-z, 0-9 and '-', and begin and end with a letter or digit, as the operator asks."
  }
}

# A boolean has no wrong value; that it goes ill with a lock is checked there.
variable "destroy_with_contents" {
  description = "Whether `terraform destroy` may take the bucket away with everything in it. To do so, set this to true and apply first."
  type        = bool
  default     = false
  nullable    = false
}
