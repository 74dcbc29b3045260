# What every cluster needs inside. Versions are pinned: an add-on that moves by itself moves on the worst day.

locals {
  # Drives rely on network policies, which the VPC CNI enforces only when asked to.
  before_nodes = local.is_auto ? {} : {
    vpc-cni                = jsonencode({ enableNetworkPolicy = "true" })
    kube-proxy             = null
    eks-pod-identity-agent = null
  }

  # Autoscalers of drives read from metrics-server, which Auto Mode does not bring either.
  after_nodes = local.is_auto ? { metrics-server = null } : {
    coredns            = null
    aws-ebs-csi-driver = null
    metrics-server     = null
  }

}

resource "aws_eks_addon" "before_nodes" {
  for_each = local.before_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = var.addon_versions[each.key]
  configuration_values        = each.value
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = local.tags
}

resource "aws_eks_addon" "after_nodes" {
  for_each = local.after_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = var.addon_versions[each.key]
  configuration_values        = each.value
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = local.tags

  dynamic "pod_identity_association" {
    for_each = each.key == "aws-ebs-csi-driver" ? [1] : []
    content {
      role_arn        = aws_iam_role.ebs[0].arn
      service_account = "ebs-csi-controller-sa"
    }
  }

  # EKS calls an add-on degraded until its pods run, and they need nodes. On the way back its rights go last.
  depends_on = [aws_eks_node_group.this, aws_iam_role_policy_attachment.ebs]
}
