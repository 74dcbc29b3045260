mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name    = "campus"
  purpose = "backup"
}

run "a_bucket_is_private_encrypted_versioned_and_reached_by_tls_alone" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "something in it could become public"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "it is not encrypted"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "what is overwritten is lost"
  }
  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "access lists are in force"
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.this.policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.this.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "it answers without TLS"
  }
}

run "uploads_that_broke_off_go_by_themselves" {
  assert {
    condition     = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : length(rule.abort_incomplete_multipart_upload) == 1])
    error_message = "they would be billed for ever and shown nowhere"
  }
}

run "a_destroy_stops_at_a_bucket_with_contents" {
  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "one command would take the backups away"
  }
}

run "a_lock_is_there_when_asked" {
  variables {
    lock = { mode = "GOVERNANCE", days = 30 }
  }
  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 30
    error_message = "backups can be deleted"
  }
}

run "a_key_of_its_own_rotates_and_is_used_once_a_bucket" {
  variables {
    encryption = "own-key"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled && aws_kms_key.this[0].enable_key_rotation && output.kms_key_arn == aws_kms_key.this[0].arn
    error_message = "the key is not as promised"
  }
}

run "a_key_that_is_there_is_used" {
  variables {
    encryption = "arn:aws:kms:ap-south-1:111122223333:key/ffff"
  }
  assert {
    condition     = length(aws_kms_key.this) == 0 && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == "arn:aws:kms:ap-south-1:111122223333:key/ffff"
    error_message = "another key is used"
  }
}

run "a_name_within_the_operator_s_reach_is_refused" {
  command = plan
  variables {
    name = "ras-campus"
  }
  expect_failures = [aws_s3_bucket.this]
}

run "a_purpose_of_another_kind_is_refused" {
  command = plan
  variables {
    purpose = "scratch"
  }
  expect_failures = [var.purpose]
}

run "encryption_with_an_alias_is_refused" {
  command = plan
  variables {
    encryption = "alias/campus"
  }
  expect_failures = [var.encryption]
}

run "a_locked_state_is_refused" {
  command = plan
  variables {
    purpose = "state"
    lock    = { mode = "GOVERNANCE", days = 1 }
  }
  expect_failures = [var.lock]
}

run "a_lock_of_another_kind_is_refused" {
  command = plan
  variables {
    lock = { mode = "SOFT", days = 1 }
  }
  expect_failures = [var.lock]
}

run "destroying_what_nobody_can_unlock_is_refused" {
  command = plan
  variables {
    lock                  = { mode = "COMPLIANCE", days = 30 }
    destroy_with_contents = true
  }
  expect_failures = [var.lock]
}

run "old_versions_that_go_before_their_lock_ends_are_refused" {
  command = plan
  variables {
    lock                   = { mode = "GOVERNANCE", days = 60 }
    keep_old_versions_days = 30
  }
  expect_failures = [var.keep_old_versions_days]
}

run "a_day_to_notice_a_mistake_in_is_refused" {
  command = plan
  variables {
    keep_old_versions_days = 1
  }
  expect_failures = [var.keep_old_versions_days]
}
