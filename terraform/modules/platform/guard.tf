# A destroy begins with what nothing else needs, so it would take nodes, add-ons and roles away before it comes to the
# cluster that refuses. This log group, which never holds a line, comes after everything else and therefore goes before
# everything else: while it refuses, a destroy takes nothing at all.
resource "aws_cloudwatch_log_group" "guard" {
  name                        = "/ras/${var.name}/guard-against-destroy"
  retention_in_days           = 1
  deletion_protection_enabled = var.protect
  tags                        = local.tags

  depends_on = [module.network, module.cluster, module.database, module.backup, module.identity]
}
