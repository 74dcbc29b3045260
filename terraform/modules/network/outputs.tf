output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Subnets of nodes and pods, one a zone."
  # Nodes that start before their way out is there never join: whoever uses a subnet waits for its routes.
  value      = [for zone in var.zones : aws_subnet.private[zone].id]
  depends_on = [aws_route.nat, aws_route_table_association.private, aws_vpc_endpoint.s3, aws_vpc_endpoint.interface, aws_vpc_security_group_ingress_rule.endpoints]
}

output "public_subnet_ids" {
  description = "Subnets of load balancers that face the internet, one a zone; none without NAT."
  value       = [for zone in var.zones : aws_subnet.public[zone].id if var.nat != "none"]
  depends_on  = [aws_route.internet, aws_route_table_association.public]
}

output "database_subnet_ids" {
  description = "Subnets of databases, one a zone; no route leads out of them."
  value       = [for zone in var.zones : aws_subnet.database[zone].id]
}

output "s3_cidrs" {
  description = "Networks of S3 in this region, as its gateway endpoint knows them."
  value       = aws_vpc_endpoint.s3.cidr_blocks
}
