# The cheapest platform that is still honest: two zones, two small nodes, one NAT gateway, PostgreSQL inside the cluster.

module "platform" {
  source = "../../modules/platform"

  name    = var.name
  tags    = { environment = "small" }
  protect = var.protect

  zones = var.zones
  # A sixth of the bill. The alternative, nodes with public addresses, saves it and puts every node on the internet.
  nat = "single"

  administrators      = var.administrators
  public_access_cidrs = var.public_access_cidrs

  # The add-ons that EKS offered with this version when it was written down. What there is today:
  #   aws eks describe-addon-versions --kubernetes-version 1.36 --addon-name vpc-cni
  kubernetes_version = "1.36"
  addon_versions = {
    vpc-cni                = "v1.22.3-eksbuild.1"
    kube-proxy             = "v1.36.0-eksbuild.13"
    coredns                = "v1.14.3-eksbuild.3"
    aws-ebs-csi-driver     = "v1.63.1-eksbuild.1"
    eks-pod-identity-agent = "v1.3.10-eksbuild.3"
    metrics-server         = "v0.8.1-eksbuild.11"
  }
  nodes    = { instance_types = ["t3.medium"], min = 2, max = 3, disk_gib = 30 }
  log_days = 7

  drives  = var.drives
  ingress = { class_name = "traefik", controller_namespace = "traefik" }
}
