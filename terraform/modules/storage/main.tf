# One bucket for what must not get lost: Terraform's state, or backups. Drives' buckets are made by the operator.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  tags = merge(var.tags, { "ras.dev/platform" = var.name })

  # Names of buckets are shared by all of AWS; the account's number makes them ours.
  bucket = "${var.name}-${var.purpose}-${data.aws_caller_identity.current.account_id}"
  is_kms = var.encryption != "SSE-S3"
  arn    = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
}

resource "aws_kms_key" "this" {
  count = var.encryption == "own-key" ? 1 : 0

  description             = "Bucket ${local.bucket}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = local.tags
}

resource "aws_kms_alias" "this" {
  count = var.encryption == "own-key" ? 1 : 0

  name          = "alias/${var.name}-${var.purpose}"
  target_key_id = aws_kms_key.this[0].key_id
}

resource "aws_s3_bucket" "this" {
  bucket              = local.bucket
  object_lock_enabled = var.lock != null
  # False means that a bucket with anything in it stops a destroy: that is the first of the two times to be told.
  force_destroy = var.destroy_with_contents
  tags          = merge(local.tags, { Name = local.bucket })

  lifecycle {
    precondition {
      condition     = !startswith(local.bucket, "${var.drives_prefix}-")
      error_message = "The bucket ${local.bucket} would begin with ${var.drives_prefix}-, and everything that does is the operator's to change and delete: choose another name for the platform or another prefix for drives."
    }
    precondition {
      condition     = length(local.bucket) <= 63
      error_message = "The bucket's name ${local.bucket} is longer than the 63 characters that S3 takes: choose a shorter name."
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    # One key a bucket instead of one an object: the same protection, a hundredth of the requests to KMS.
    bucket_key_enabled = local.is_kms

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.is_kms ? "aws:kms" : "AES256"
      kms_master_key_id = local.is_kms ? (var.encryption == "own-key" ? aws_kms_key.this[0].arn : var.encryption) : null
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.arn, "${local.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 answers with a conflict when a policy and the block are written at once.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  # Parts of uploads that broke off are billed and shown nowhere.
  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = var.keep_old_versions_days }
  }

  # Rules about versions are refused as long as there are none.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  count = var.lock == null ? 0 : 1

  bucket = aws_s3_bucket.this.id

  rule {
    default_retention {
      mode = var.lock.mode
      days = var.lock.days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
