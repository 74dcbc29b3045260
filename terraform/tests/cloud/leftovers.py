#!/usr/bin/env python3
"""What is left in the simulated AWS after a destroy: leftovers.py [BUCKET THAT MAY STAY ...]. Fails when there is anything.

The account that moto begins with has a default VPC, and a last snapshot of a database is meant to stay.
"""
import sys

import boto3


def names(service, call, key, name):
    for page in boto3.client(service).get_paginator(call).paginate():
        for item in page[key]:
            yield item if name is None else item[name]


def left():
    ec2 = boto3.client("ec2")
    vpcs = [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    yield "VPC", vpcs
    yield "address", [address["AllocationId"] for address in ec2.describe_addresses()["Addresses"]]
    yield "NAT gateway", [gateway["NatGatewayId"] for gateway in ec2.describe_nat_gateways()["NatGateways"] if gateway["State"] != "deleted"]
    yield "security group", [group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"] if group["VpcId"] in vpcs]
    yield "launch template", list(names("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName"))
    yield "cluster", list(names("eks", "list_clusters", "clusters", None))
    yield "database", list(names("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"))
    yield "bucket", [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"] if b["Name"] not in sys.argv[1:]]
    yield "log group", list(names("logs", "describe_log_groups", "logGroups", "logGroupName"))
    yield "role", [role for role in names("iam", "list_roles", "Roles", "RoleName") if not role.startswith("AWSServiceRole")]
    yield "alias of a key", [alias for alias in names("kms", "list_aliases", "Aliases", "AliasName") if not alias.startswith("alias/aws/")]


found = [f"{kind} {name}" for kind, every in left() for name in every]
print("nothing is left" if not found else "left behind: " + ", ".join(found))
sys.exit(bool(found))
