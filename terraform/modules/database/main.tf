# One PostgreSQL server for all drives; databases and roles in it are made per drive.
# The master password is made, kept and rotated by AWS in Secrets Manager: neither Terraform nor its state ever sees it.

locals {
  tags = merge(var.tags, { "ras.dev/platform" = var.name })
}

resource "aws_db_subnet_group" "this" {
  name        = "${var.name}-database"
  description = "Database of ${var.name}"
  subnet_ids  = var.subnet_ids
  tags        = local.tags
}

resource "aws_security_group" "this" {
  name        = "${var.name}-database"
  description = "PostgreSQL of ${var.name}: nodes and pods of the cluster, nobody else"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${var.name}-database" })
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = each.value
  description                  = "PostgreSQL from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  tags                         = merge(local.tags, { Name = "${var.name}-database-${each.key}" })
}

resource "aws_db_parameter_group" "this" {
  # A parameter group cannot change its family: the version stands in the name so that the new one is made first.
  name        = "${var.name}-postgres${var.postgres_version}"
  family      = "postgres${var.postgres_version}"
  description = "PostgreSQL of ${var.name}"
  tags        = local.tags

  parameter {
    name  = "rds.force_ssl"
    value = var.force_ssl ? "1" : "0"
  }

  # Statements that take long are what one looks for first when a portal is slow.
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  lifecycle { create_before_destroy = true }
}

# RDS makes this group by itself when it is missing, and leaves it behind.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/rds/instance/${var.name}/postgresql"
  retention_in_days = var.log_days
  tags              = local.tags
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.postgres_version
  instance_class = var.instance_class

  username                    = "ras_admin"
  manage_master_user_password = true

  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn
  allocated_storage     = var.storage.gib
  max_allocated_storage = var.storage.max_gib

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  multi_az               = var.multi_az
  parameter_group_name   = aws_db_parameter_group.this.name

  backup_retention_period   = var.backup_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  delete_automated_backups  = false
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  # Fixes within a major version come by themselves, at the hour of maintenance; a new major version is a decision.
  auto_minor_version_upgrade      = true
  allow_major_version_upgrade     = false
  maintenance_window              = "sun:20:00-sun:21:00"
  backup_window                   = "18:30-19:30"
  enabled_cloudwatch_logs_exports = ["postgresql"]
  performance_insights_enabled    = var.performance_insights

  tags = local.tags

  depends_on = [aws_cloudwatch_log_group.this]
}
