# External Secrets copies secrets out of Secrets Manager: those below one prefix, and those named one by one.

resource "aws_iam_role" "external_secrets" {
  count = var.external_secrets == null ? 0 : 1

  name                 = "${var.name}-external-secrets"
  description          = "Reads secrets below ${var.external_secrets.prefix}/"
  permissions_boundary = var.permissions_boundary
  assume_role_policy   = local.trust["external-secrets"]
  tags                 = local.tags
}

resource "aws_iam_role_policy" "external_secrets" {
  count = var.external_secrets == null ? 0 : 1

  name = "read-secrets"
  role = aws_iam_role.external_secrets[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "ReadSecretsOfThePlatform"
      Effect = "Allow"
      Action = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
      Resource = concat(
        ["arn:${data.aws_partition.current.partition}:secretsmanager:*:${data.aws_caller_identity.current.account_id}:secret:${var.external_secrets.prefix}/*"],
        var.external_secrets.secret_arns,
      )
    }]
  })
}

resource "aws_eks_pod_identity_association" "external_secrets" {
  count = var.external_secrets == null ? 0 : 1

  cluster_name    = var.cluster_name
  namespace       = var.external_secrets.namespace
  service_account = var.external_secrets.service_account
  role_arn        = aws_iam_role.external_secrets[0].arn
  tags            = local.tags
}
