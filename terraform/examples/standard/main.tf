# For a campus that depends on it: three zones, a managed database with a stand-by, backups that cannot be deleted.

module "platform" {
  source = "../../modules/platform"

  name    = var.name
  tags    = { environment = "standard" }
  protect = var.protect

  zones = var.zones
  nat   = "per_zone"

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
  nodes    = { instance_types = ["m7i.large", "m6i.large"], min = 3, max = 6, disk_gib = 50 }
  log_days = 90

  database = {
    instance_class       = "db.t4g.large"
    storage              = { gib = 50, max_gib = 200 }
    multi_az             = true
    performance_insights = true
    backup_days          = 30
  }

  # Governance, not compliance: a mistake in this file must not become a bill for years.
  backup = {
    encryption = "own-key"
    lock       = { mode = "GOVERNANCE", days = 30 }
  }

  drives           = var.drives
  external_secrets = { prefix = var.name }
  ingress          = { class_name = "traefik", controller_namespace = "traefik" }
  monitoring       = { namespace = "monitoring", labels = { release = "prometheus" } }
}
