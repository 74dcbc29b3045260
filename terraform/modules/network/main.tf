# One VPC with subnets of three kinds in two or three zones. What each kind may reach is decided by its route table.

locals {
  tags = merge(var.tags, { "ras.dev/platform" = var.name })

  # Three quarters for nodes and pods, which take an address each; the last one is shared by load balancers and
  # databases, which need few. Zones may be added from two to three without moving a subnet.
  private_cidrs  = { for i, zone in var.zones : zone => cidrsubnet(var.cidr, 2, i) }
  public_cidrs   = { for i, zone in var.zones : zone => cidrsubnet(var.cidr, 4, 12 + i) }
  database_cidrs = { for i, zone in var.zones : zone => cidrsubnet(var.cidr, 6, 60 + i) }

  nat_zones = {
    none     = []
    single   = [var.zones[0]]
    per_zone = var.zones
  }[var.nat]
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = var.name })

  lifecycle {
    precondition {
      condition     = alltrue([for zone in var.zones : startswith(zone, data.aws_region.current.region)])
      error_message = "The zones ${join(", ", var.zones)} are not in the provider's region ${data.aws_region.current.region}: change one of the two."
    }
  }
}

# The group that everything without a group of its own falls into lets nothing through.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = "${var.name}-closed" })
}

resource "aws_subnet" "private" {
  for_each = local.private_cidrs

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
  tags = merge(local.tags, {
    Name                              = "${var.name}-private-${each.key}"
    "kubernetes.io/role/internal-elb" = "1"
  })
}

resource "aws_subnet" "database" {
  for_each = local.database_cidrs

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
  tags              = merge(local.tags, { Name = "${var.name}-database-${each.key}" })
}

# Without a way out there is nothing that a public subnet could be for, and so there is none.
resource "aws_subnet" "public" {
  for_each = var.nat == "none" ? {} : local.public_cidrs

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags = merge(local.tags, {
    Name                     = "${var.name}-public-${each.key}"
    "kubernetes.io/role/elb" = "1"
  })
}
