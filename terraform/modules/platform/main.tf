# The whole: network, cluster, database, backups and identity, and the file that hands them over to the operator.

locals {
  tags = merge(var.tags, { "ras.dev/platform" = var.name })

  # Names of buckets begin with it, the roles are bounded by it, and the operator is told it: one value, three places.
  bucket_prefix = var.bucket_prefix
}

module "network" {
  source = "../network"

  name                 = var.name
  tags                 = var.tags
  cidr                 = var.cidr
  zones                = var.zones
  nat                  = var.nat
  interface_endpoints  = var.interface_endpoints
  flow_logs_days       = var.log_days
  permissions_boundary = var.permissions_boundary
}

module "cluster" {
  source = "../cluster"

  name                 = var.name
  tags                 = var.tags
  kubernetes_version   = var.kubernetes_version
  support_type         = var.support_type
  subnet_ids           = module.network.private_subnet_ids
  public_access_cidrs  = var.public_access_cidrs
  administrators       = var.administrators
  compute              = var.compute
  nodes                = var.nodes
  addon_versions       = var.addon_versions
  log_days             = var.log_days
  deletion_protection  = var.protect
  permissions_boundary = var.permissions_boundary
}

module "database" {
  source = "../database"
  count  = var.database == null ? 0 : 1

  name                      = var.name
  tags                      = var.tags
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.database_subnet_ids
  client_security_group_ids = { cluster = module.cluster.security_group_id }
  postgres_version          = var.database.postgres_version
  instance_class            = var.database.instance_class
  storage                   = var.database.storage
  multi_az                  = var.database.multi_az
  force_ssl                 = var.database.force_ssl
  performance_insights      = var.database.performance_insights
  backup_days               = var.database.backup_days
  kms_key_arn               = var.database.kms_key_arn
  log_days                  = var.log_days
  deletion_protection       = var.protect
}

module "backup" {
  source = "../storage"
  count  = var.backup == null ? 0 : 1

  name                   = var.name
  tags                   = var.tags
  purpose                = "backup"
  drives_prefix          = local.bucket_prefix
  encryption             = var.backup.encryption
  lock                   = var.backup.lock
  keep_old_versions_days = var.backup.keep_old_versions_days
  destroy_with_contents  = var.backup.destroy_with_contents
}

module "identity" {
  source = "../identity"

  name                 = var.name
  tags                 = var.tags
  cluster_name         = module.cluster.name
  cluster_arn          = module.cluster.arn
  bucket_prefix        = local.bucket_prefix
  operator             = var.operator
  drives               = var.drives
  permissions_boundary = var.permissions_boundary

  external_secrets = var.external_secrets == null ? null : {
    namespace       = var.external_secrets.namespace
    service_account = var.external_secrets.service_account
    prefix          = var.external_secrets.prefix
    # The database's master secret has a name that AWS gave it, so that no prefix covers it.
    secret_arns = concat(var.external_secrets.secret_arns, module.database[*].master_secret_arn)
  }
}
