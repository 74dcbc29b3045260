mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name                      = "campus"
  vpc_id                    = "vpc-0a1b2c3d4e5f60718"
  subnet_ids                = ["subnet-0a", "subnet-0b"]
  client_security_group_ids = { cluster = "sg-0a1b2c3d4e5f60718" }
}

run "no_password_is_known_to_terraform" {
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null && aws_db_instance.this.password_wo == null
    error_message = "a password would stand in the state"
  }
}

run "the_server_is_encrypted_and_has_no_public_address" {
  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "the server is not as promised"
  }
}

run "connections_without_tls_are_refused" {
  assert {
    condition     = [for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"] == ["1"]
    error_message = "passwords would cross the network in the clear"
  }
}

run "a_portal_that_cannot_speak_tls_may_be_let_in" {
  variables {
    force_ssl = false
  }
  assert {
    condition     = [for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"] == ["0"]
    error_message = "the decision is not carried out"
  }
}

run "the_cluster_s_group_and_nobody_else_connects" {
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.this) == 1 && aws_vpc_security_group_ingress_rule.this["cluster"].referenced_security_group_id == "sg-0a1b2c3d4e5f60718" && aws_vpc_security_group_ingress_rule.this["cluster"].cidr_ipv4 == null && aws_vpc_security_group_ingress_rule.this["cluster"].from_port == 5432
    error_message = "the server is open to others"
  }
}

run "a_destroy_is_refused_until_told_twice_and_leaves_a_snapshot" {
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == "campus-final"
    error_message = "one command would take the data away"
  }
}

run "backups_are_kept_for_a_fortnight" {
  assert {
    condition     = aws_db_instance.this.backup_retention_period == 14
    error_message = "backups are kept for another time than promised"
  }
}

run "the_log_group_is_ours_and_ends" {
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/rds/instance/campus/postgresql" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "RDS would make one that is kept for ever"
  }
}

run "too_few_days_of_backups_are_refused" {
  command = plan
  variables {
    backup_days = 1
  }
  expect_failures = [var.backup_days]
}

run "an_unknown_version_is_refused" {
  command = plan
  variables {
    postgres_version = "17.4"
  }
  expect_failures = [var.postgres_version]
}

run "one_subnet_is_refused" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [var.subnet_ids]
}

run "a_server_that_nobody_reaches_is_refused" {
  command = plan
  variables {
    client_security_group_ids = {}
  }
  expect_failures = [var.client_security_group_ids]
}

run "a_disk_that_cannot_grow_is_refused" {
  command = plan
  variables {
    storage = { gib = 100, max_gib = 100 }
  }
  expect_failures = [var.storage]
}

run "a_class_that_is_none_is_refused" {
  command = plan
  variables {
    instance_class = "t4g.medium"
  }
  expect_failures = [var.instance_class]
}

run "a_key_that_is_none_is_refused" {
  command = plan
  variables {
    kms_key_arn = "alias/aws/rds"
  }
  expect_failures = [var.kms_key_arn]
}

run "a_vpc_that_is_none_is_refused" {
  command = plan
  variables {
    vpc_id = "campus"
  }
  expect_failures = [var.vpc_id]
}
