# What AWS would answer. Without these a mocked provider answers with random letters, which real validations refuse.

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { region = "ap-south-1" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-0a1b2c3d4e5f60718" }
}

mock_resource "aws_vpc_endpoint" {
  defaults = { cidr_blocks = ["52.219.64.0/22", "3.5.208.0/22"] }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:ap-south-1:111122223333:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    key_id = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
  }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:ap-south-1:111122223333:log-group:mocked" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0a1b2c3d4e5f60718", latest_version = 1 }
}

mock_resource "aws_eks_cluster" {
  defaults = {
    arn                   = "arn:aws:eks:ap-south-1:111122223333:cluster/mocked"
    endpoint              = "https://mocked.eks.example.com"
    certificate_authority = [{ data = "bW9ja2Vk" }]
  }
}

mock_resource "aws_db_instance" {
  defaults = {
    address            = "mocked.rds.example.com"
    master_user_secret = [{ kms_key_id = "mocked", secret_arn = "arn:aws:secretsmanager:ap-south-1:111122223333:secret:rds!db-mocked-a1b2c3", secret_status = "active" }]
  }
}
