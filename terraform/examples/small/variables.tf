variable "region" {
  description = "Region of everything."
  type        = string
  default     = "ap-south-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS: write it like ap-south-1."
  }
}

# Validated by the module platform.
variable "zones" {
  description = "Availability zones, in full."
  type        = list(string)
  default     = ["ap-south-1a", "ap-south-1b"]
  nullable    = false
}

# Validated by the module platform.
variable "name" {
  description = "Name of the platform."
  type        = string
  default     = "campus-small"
  nullable    = false
}

# Validated by the module platform.
variable "administrators" {
  description = "IAM roles or users who administer the cluster, by a name of your own. One of them should be you."
  type        = map(string)
  nullable    = false
}

# Validated by the module platform.
variable "public_access_cidrs" {
  description = "Networks of the campus or its VPN, which reach the Kubernetes API."
  type        = list(string)
  nullable    = false
}

# Validated by the module platform.
variable "drives" {
  description = "Names of drives whose programs use buckets, by namespace."
  type        = map(set(string))
  default     = { spo = ["placements-2026"] }
  nullable    = false
}

# A boolean has no wrong value.
variable "protect" {
  description = "Whether AWS refuses to delete what holds data. Before a destroy set this to false and apply."
  type        = bool
  default     = true
  nullable    = false
}
