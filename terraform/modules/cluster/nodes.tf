# One managed node group. Auto Mode has none: it starts nodes as pods ask for them.

resource "aws_launch_template" "node" {
  count = local.is_auto ? 0 : 1

  name                   = "${var.name}-node"
  description            = "Nodes of the EKS cluster ${var.name}"
  update_default_version = true

  metadata_options {
    http_tokens = "required"
    # One hop ends at the node: a pod that asks for the node's credentials gets no answer.
    http_put_response_hop_limit = 1
    http_endpoint               = "enabled"
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = var.nodes.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  # Tags of a node group do not reach what it starts.
  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.name}-node" })
    }
  }

  tags = local.tags
}

resource "aws_eks_node_group" "this" {
  count = local.is_auto ? 0 : 1

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "${var.name}-nodes"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.subnet_ids
  version         = var.kubernetes_version
  ami_type        = var.nodes.architecture == "arm64" ? "AL2023_ARM_64_STANDARD" : "AL2023_x86_64_STANDARD"
  capacity_type   = var.nodes.spot ? "SPOT" : "ON_DEMAND"
  instance_types  = var.nodes.instance_types

  launch_template {
    id      = aws_launch_template.node[0].id
    version = aws_launch_template.node[0].latest_version
  }

  scaling_config {
    min_size     = var.nodes.min
    desired_size = var.nodes.min
    max_size     = var.nodes.max
  }

  update_config { max_unavailable = 1 }
  node_repair_config { enabled = true }
  tags = local.tags

  lifecycle {
    # An autoscaler's number. Setting it back would drain nodes that are in use.
    ignore_changes = [scaling_config[0].desired_size]
  }

  # A node without its network plugin never becomes Ready; one without its rights can never be taken away.
  depends_on = [aws_eks_addon.before_nodes, aws_iam_role_policy_attachment.node]
}
