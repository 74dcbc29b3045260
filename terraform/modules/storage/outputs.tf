output "bucket" {
  description = "Name of the bucket. Known once nothing in it can be public, unencrypted or without versions."
  value       = aws_s3_bucket.this.bucket
  depends_on = [
    aws_s3_bucket_public_access_block.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_policy.this,
  ]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "kms_key_arn" {
  description = "Key that encrypts the bucket; null with SSE-S3."
  value       = local.is_kms ? (var.encryption == "own-key" ? aws_kms_key.this[0].arn : var.encryption) : null
}
