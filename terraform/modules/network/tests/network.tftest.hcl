mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name  = "campus"
  zones = ["ap-south-1a", "ap-south-1b", "ap-south-1c"]
}

run "subnets_of_all_kinds_lie_in_the_vpc_and_do_not_overlap" {
  assert {
    condition     = tolist(values(local.private_cidrs)) == tolist(["10.0.0.0/18", "10.0.64.0/18", "10.0.128.0/18"])
    error_message = "private subnets: ${jsonencode(local.private_cidrs)}"
  }
  assert {
    condition     = tolist(values(local.public_cidrs)) == tolist(["10.0.192.0/20", "10.0.208.0/20", "10.0.224.0/20"])
    error_message = "public subnets: ${jsonencode(local.public_cidrs)}"
  }
  assert {
    condition     = tolist(values(local.database_cidrs)) == tolist(["10.0.240.0/22", "10.0.244.0/22", "10.0.248.0/22"])
    error_message = "database subnets: ${jsonencode(local.database_cidrs)}"
  }
}

run "a_third_zone_moves_no_subnet_of_the_first_two" {
  command = plan
  variables {
    zones = ["ap-south-1a", "ap-south-1b"]
  }
  assert {
    condition     = aws_subnet.private["ap-south-1b"].cidr_block == "10.0.64.0/18" && aws_subnet.database["ap-south-1b"].cidr_block == "10.0.244.0/22"
    error_message = "the second zone's subnets are elsewhere than with three zones"
  }
}

run "one_nat_gateway_serves_all_zones" {
  variables {
    nat = "single"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 3
    error_message = "there should be one gateway and a route from each zone"
  }
}

run "each_zone_has_a_nat_gateway_of_its_own_when_asked" {
  variables {
    nat = "per_zone"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 3 && aws_route.nat["ap-south-1c"].nat_gateway_id == aws_nat_gateway.this["ap-south-1c"].id
    error_message = "the third zone should leave through its own gateway"
  }
}

run "without_nat_nothing_leads_to_the_internet" {
  variables {
    nat                 = "none"
    interface_endpoints = ["ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "logs", "sts"]
  }
  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_subnet.public) == 0 && length(aws_route.nat) == 0 && length(aws_route.internet) == 0
    error_message = "there is a way out"
  }
  assert {
    condition     = length(aws_vpc_endpoint.interface) == 7 && alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "AWS' names should lead to the endpoints"
  }
}

run "no_subnet_gives_public_addresses" {
  assert {
    condition     = !anytrue([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private), values(aws_subnet.database)) : coalesce(subnet.map_public_ip_on_launch, false)])
    error_message = "a subnet gives a public address to whatever starts in it"
  }
}

run "s3_is_reached_without_nat_from_every_private_subnet" {
  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3.route_table_ids) >= 1
    error_message = "no gateway endpoint for S3"
  }
}

run "the_default_security_group_lets_nothing_through" {
  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "the default group has rules"
  }
}

run "load_balancers_find_their_subnets_by_tags" {
  assert {
    condition     = alltrue([for subnet in aws_subnet.public : subnet.tags["kubernetes.io/role/elb"] == "1"]) && alltrue([for subnet in aws_subnet.private : subnet.tags["kubernetes.io/role/internal-elb"] == "1"])
    error_message = "a tag that controllers look for is missing"
  }
}

run "flow_logs_are_kept_for_a_while_and_not_for_ever" {
  assert {
    condition     = aws_cloudwatch_log_group.flow[0].retention_in_days == 30 && aws_flow_log.this[0].traffic_type == "ALL"
    error_message = "flow logs are not as promised"
  }
}

run "a_network_that_is_none_is_refused" {
  command = plan
  variables {
    cidr = "10.0.0.0"
  }
  expect_failures = [var.cidr]
}

run "a_network_that_is_too_small_for_pods_is_refused" {
  command = plan
  variables {
    cidr = "10.0.0.0/24"
  }
  expect_failures = [var.cidr]
}

run "a_public_network_is_refused" {
  command = plan
  variables {
    cidr = "52.0.0.0/16"
  }
  expect_failures = [var.cidr]
}

run "one_zone_is_refused" {
  command = plan
  variables {
    zones = ["ap-south-1a"]
  }
  expect_failures = [var.zones]
}

run "a_zone_named_twice_is_refused" {
  command = plan
  variables {
    zones = ["ap-south-1a", "ap-south-1a"]
  }
  expect_failures = [var.zones]
}

run "zones_of_another_region_than_the_provider_s_are_refused" {
  command = plan
  variables {
    zones = ["eu-west-1a", "eu-west-1b"]
  }
  expect_failures = [aws_vpc.this]
}

run "no_nat_without_the_endpoints_that_nodes_need_is_refused" {
  command = plan
  variables {
    nat                 = "none"
    interface_endpoints = ["ec2", "sts"]
  }
  expect_failures = [var.interface_endpoints]
}

run "tags_that_belong_to_the_operator_are_refused" {
  command = plan
  variables {
    tags = { "ras.dev/drive" = "x" }
  }
  expect_failures = [var.tags]
}

run "a_name_that_is_too_long_for_roles_is_refused" {
  command = plan
  variables {
    name = "a-name-that-goes-on-and-on"
  }
  expect_failures = [var.name]
}

run "a_retention_that_cloudwatch_does_not_know_is_refused" {
  command = plan
  variables {
    flow_logs_days = 31
  }
  expect_failures = [var.flow_logs_days]
}

run "a_way_out_of_another_kind_is_refused" {
  command = plan
  variables {
    nat = "some"
  }
  expect_failures = [var.nat]
}

run "a_boundary_that_is_no_policy_is_refused" {
  command = plan
  variables {
    permissions_boundary = "boundary"
  }
  expect_failures = [var.permissions_boundary]
}
