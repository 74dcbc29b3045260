# Programs of drives read and write objects in buckets of their own namespace, and can change nothing about a bucket.
#
# One role serves all of them: the session tag that EKS sets, and that no pod can choose, stands in the policy.
# How namespaces are told apart, and why by name and not by the buckets' tags, is in docs/terraform.md.

locals {
  own_buckets = "${local.s3}${var.bucket_prefix}-$${aws:PrincipalTag/kubernetes-namespace}-*"

  associations = merge([
    for namespace, drives in var.drives : {
      for drive in drives : "${namespace}/${drive}" => { namespace = namespace, drive = drive }
    }
  ]...)
}

resource "aws_iam_role" "drives" {
  name                 = "${var.name}-drives"
  description          = "Reads and writes objects in buckets of the pod's own namespace"
  permissions_boundary = var.permissions_boundary
  # Not every namespace is named here: a trust policy has room for about forty, and associations name them anyway.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = { "aws:RequestTag/eks-cluster-arn" = var.cluster_arn } }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "drives" {
  name = "objects-of-the-own-namespace"
  role = aws_iam_role.drives.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ListOwnBuckets"
        Effect    = "Allow"
        Action    = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource  = local.own_buckets
        Condition = { StringEquals = { "aws:ResourceAccount" = data.aws_caller_identity.current.account_id } }
      },
      {
        Sid       = "UseOwnObjects"
        Effect    = "Allow"
        Action    = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource  = "${local.own_buckets}/*"
        Condition = { StringEquals = { "aws:ResourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })
}

# An association needs the exact name of a service account, and a drive's account is named as the drive. It may be made
# before the drive is, and should be: pods that begin without it stay without it.
resource "aws_eks_pod_identity_association" "drive" {
  for_each = local.associations

  cluster_name         = var.cluster_name
  namespace            = each.value.namespace
  service_account      = each.value.drive
  role_arn             = aws_iam_role.drives.arn
  disable_session_tags = false
  tags                 = merge(local.tags, { "ras.dev/drive" = each.value.drive })
}
