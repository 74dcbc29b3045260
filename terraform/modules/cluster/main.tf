# The EKS cluster: its keys, its log, who may enter, and the rights of its control plane.

locals {
  tags = merge(var.tags, { "ras.dev/platform" = var.name })

  # Auto Mode runs nodes, volumes, load balancers and most add-ons itself; a managed node group leaves them to us.
  is_auto = var.compute == "auto"
}

data "aws_partition" "current" {}

# Encrypts Kubernetes' Secrets in etcd. Losing it is losing every Secret, hence the longest waiting time AWS has.
resource "aws_kms_key" "secrets" {
  description             = "Secrets of the EKS cluster ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = local.tags
}

resource "aws_kms_alias" "secrets" {
  name          = "alias/${var.name}-eks"
  target_key_id = aws_kms_key.secrets.key_id
}

# EKS makes this group by itself when it is missing; then nobody owns it and it outlives the cluster, kept for ever.
resource "aws_cloudwatch_log_group" "control_plane" {
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.log_days
  tags              = local.tags
}

resource "aws_eks_cluster" "this" {
  name                      = var.name
  version                   = var.kubernetes_version
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  deletion_protection       = var.deletion_protection

  # The add-ons that a cluster begins with have no owner and no version; ours have both.
  bootstrap_self_managed_addons = false

  access_config {
    authentication_mode = "API"
    # Whoever ran the first apply would be an administrator whom no file names.
    bootstrap_cluster_creator_admin_permissions = false
  }

  vpc_config {
    subnet_ids              = var.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.public_access_cidrs) > 0
    public_access_cidrs     = length(var.public_access_cidrs) > 0 ? var.public_access_cidrs : null
  }

  encryption_config {
    resources = ["secrets"]
    provider { key_arn = aws_kms_key.secrets.arn }
  }

  # Extended support costs six times as much and begins by itself; an upgrade that was forgotten should not be a bill.
  upgrade_policy { support_type = var.support_type }

  kubernetes_network_config {
    elastic_load_balancing { enabled = local.is_auto }
  }

  compute_config {
    enabled       = local.is_auto
    node_pools    = local.is_auto ? ["general-purpose", "system"] : null
    node_role_arn = local.is_auto ? aws_iam_role.node.arn : null
  }

  storage_config {
    block_storage { enabled = local.is_auto }
  }

  tags = local.tags

  # Without its rights the control plane can neither begin nor take its network interfaces away at the end.
  depends_on = [
    aws_cloudwatch_log_group.control_plane,
    aws_iam_role_policy_attachment.cluster,
    aws_iam_role_policy_attachment.node,
  ]
}
