variable "region" {
  description = "Region of the state bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS: write it like ap-south-1."
  }
}

# Validated by the module storage.
variable "name" {
  description = "Name of the platform, or of the account where several platforms share one bucket."
  type        = string
  nullable    = false
}

# Validated by the module storage.
variable "tags" {
  description = "Tags of the bucket, in addition to `ras.dev/platform`."
  type        = map(string)
  default     = {}
  nullable    = false
}

# Validated by the module storage.
variable "encryption" {
  description = "Whose key encrypts the state: `SSE-S3`, `own-key` or the ARN of a key."
  type        = string
  default     = "SSE-S3"
  nullable    = false
}

# Validated by the module storage.
variable "bucket_prefix" {
  description = "Prefix of the buckets that the operator makes, which the state bucket must not have."
  type        = string
  default     = "ras"
  nullable    = false
}

# A boolean has no wrong value.
variable "destroy_with_contents" {
  description = "Whether a destroy may take the bucket away with every state in it. Set this to true and apply first."
  type        = bool
  default     = false
  nullable    = false
}
