# Who may do what in AWS, by EKS Pod Identity: a pod gets a role because of its namespace and service account, and
# brings both along as session tags. No key is made, stored or rotated anywhere.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  tags = merge(var.tags, { "ras.dev/platform" = var.name })

  s3 = "arn:${data.aws_partition.current.partition}:s3:::"

  # Who may wear a role that belongs to one service account. Without the conditions every association of every cluster
  # in the account could name it.
  trust = {
    for role, account in merge(
      { operator = var.operator },
      var.external_secrets == null ? {} : { external-secrets = var.external_secrets },
      ) : role => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Principal = { Service = "pods.eks.amazonaws.com" }
          Action    = ["sts:AssumeRole", "sts:TagSession"]
          Condition = { StringEquals = {
            "aws:RequestTag/eks-cluster-arn"            = var.cluster_arn
            "aws:RequestTag/kubernetes-namespace"       = account.namespace
            "aws:RequestTag/kubernetes-service-account" = account.service_account
          } }
        }]
    })
  }
}
