# The operator makes buckets and sets them up. It cannot read what is in them, whatever a bucket's policy says, and cannot
# leave its prefix. It may write the policies of its buckets: see SECURITY.md for what that means.

locals {
  # One file says what the operator needs, for Terraform and for those who write their roles by hand. What it calls
  # ras-* becomes the prefix of this platform.
  operator_policy = jsondecode(file("${path.module}/../../../deploy/iam/object-store.json"))
}

resource "aws_iam_role" "operator" {
  name                 = "${var.name}-ras-operator"
  description          = "Makes buckets that begin with ${var.bucket_prefix}-"
  permissions_boundary = var.permissions_boundary
  assume_role_policy   = local.trust["operator"]
  tags                 = local.tags
}

resource "aws_iam_role_policy" "operator" {
  name = "buckets-of-drives"
  role = aws_iam_role.operator.id
  policy = jsonencode(merge(local.operator_policy, {
    Statement = [
      for statement in local.operator_policy.Statement : merge(statement, {
        Resource = replace(statement.Resource, "/^arn:aws:s3:::ras-/", "${local.s3}${var.bucket_prefix}-")
      })
    ]
  }))
}

resource "aws_eks_pod_identity_association" "operator" {
  cluster_name    = var.cluster_name
  namespace       = var.operator.namespace
  service_account = var.operator.service_account
  role_arn        = aws_iam_role.operator.arn
  tags            = local.tags
}
