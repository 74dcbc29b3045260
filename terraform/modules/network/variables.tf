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

variable "cidr" {
  description = "Addresses of the VPC. Every pod takes one, so three quarters go to the private subnets."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.cidr, 6, 0)) && try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false)
    error_message = "cidr must be a network written by its first address: write it like 10.0.0.0/16."
  }

  validation {
    # Smaller than /20, and a zone runs out of addresses with some hundred pods; AWS knows no VPC larger than /16.
    condition     = try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr must be between /16 and /20: a smaller one leaves too few addresses for pods, and AWS has no larger VPC."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr))
    error_message = "cidr must be private (10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16): others belong to somebody on the internet."
  }
}

variable "zones" {
  description = "Two or three availability zones, named in full so that a plan never depends on what AWS lists that day. Add at the end; changing the order moves subnets."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 3
    error_message = "zones must name two or three: EKS and RDS need two, and there is room for three."
  }

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$", zone))])
    error_message = "zones must be availability zones: write them like ap-south-1a."
  }

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones)
    error_message = "zones names one zone twice: two subnets in one zone fail together."
  }

  validation {
    condition     = length(distinct([for zone in var.zones : substr(zone, 0, length(zone) - 1)])) <= 1
    error_message = "zones must lie in one region: a VPC cannot span two."
  }
}

variable "nat" {
  description = "Way out for nodes: `none` (nothing leaves, AWS is reached through interface endpoints), `single` (one NAT gateway; when its zone fails, nodes of all zones lose the internet), `per_zone`."
  type        = string
  default     = "single"
  nullable    = false

  validation {
    condition     = contains(["none", "single", "per_zone"], var.nat)
    error_message = "nat must be none, single or per_zone."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached through an endpoint inside the VPC, by the end of their service name, for instance `ecr.api`. Each costs by the hour and zone; without NAT nodes cannot start without the seven of the check below."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*$", service)) && service != "s3"])
    error_message = "interface_endpoints must be ends of service names such as ecr.api; s3 has a gateway endpoint already, which costs nothing."
  }

  validation {
    condition = var.nat != "none" || length(setsubtract(
      ["ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "logs", "sts"], var.interface_endpoints
    )) == 0
    error_message = "Without NAT nodes reach AWS through interface endpoints alone: interface_endpoints must hold ec2, ecr.api, ecr.dkr, eks, eks-auth, logs and sts."
  }
}

variable "flow_logs_days" {
  description = "For how many days flow logs are kept; 0 writes none."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.flow_logs_days)
    error_message = "flow_logs_days must be 0 or a number of days that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or 400."
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
