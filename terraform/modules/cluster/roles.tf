# Roles of the control plane and of nodes, with AWS' own policies and nothing beside them.

locals {
  cluster_policies = local.is_auto ? [
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
  ] : ["AmazonEKSClusterPolicy"]

  # A node of Auto Mode needs no rights on the network: the control plane has them.
  node_policies = local.is_auto ? [
    "AmazonEKSWorkerNodeMinimalPolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    ] : [
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    # The VPC CNI begins before pod identity does, so it uses the node's role. Pods cannot: see the hop limit.
    "AmazonEKS_CNI_Policy",
  ]

  aws_policy = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
}

resource "aws_iam_role" "cluster" {
  name                 = "${var.name}-eks-cluster"
  description          = "Control plane of the EKS cluster ${var.name}"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "eks.amazonaws.com" }
      Action    = local.is_auto ? ["sts:AssumeRole", "sts:TagSession"] : ["sts:AssumeRole"]
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy_attachment" "cluster" {
  for_each = toset(local.cluster_policies)

  role       = aws_iam_role.cluster.name
  policy_arn = "${local.aws_policy}/${each.key}"
}

resource "aws_iam_role" "node" {
  name                 = "${var.name}-eks-node"
  description          = "Nodes of the EKS cluster ${var.name}"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(local.node_policies)

  role       = aws_iam_role.node.name
  policy_arn = "${local.aws_policy}/${each.key}"
}

# The EBS driver gets its rights by pod identity, alone among all pods.
resource "aws_iam_role" "ebs" {
  count = local.is_auto ? 0 : 1

  name                 = "${var.name}-ebs-csi"
  description          = "Makes the volumes of the EKS cluster ${var.name}"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = {
        "aws:RequestTag/eks-cluster-arn"            = aws_eks_cluster.this.arn
        "aws:RequestTag/kubernetes-namespace"       = "kube-system"
        "aws:RequestTag/kubernetes-service-account" = "ebs-csi-controller-sa"
      } }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy_attachment" "ebs" {
  count = local.is_auto ? 0 : 1

  role       = aws_iam_role.ebs[0].name
  policy_arn = "${local.aws_policy}/service-role/AmazonEBSCSIDriverPolicy"
}
