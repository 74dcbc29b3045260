output "platform_yaml" {
  description = "The hand-over file: `terraform output -raw platform_yaml > platform.yaml`."
  value       = <<-YAML
    # Settings of the platform ${var.name}, version ${local.platform_version}. Written by Terraform: change its variables.
    ${yamlencode(local.platform)}
  YAML

  # Whoever reads the file goes on to start pods, which get no credentials when they are before their association.
  depends_on = [module.identity]
}

output "storage_class_yaml" {
  description = "The StorageClass that the hand-over file names: `terraform output -raw storage_class_yaml | kubectl apply -f -`."
  value       = yamlencode(local.storage_class)
}

output "cluster_name" {
  description = "Name of the cluster, for `aws eks update-kubeconfig --name`."
  value       = module.cluster.name
}

output "cluster_endpoint" {
  description = "Address of the Kubernetes API."
  value       = module.cluster.endpoint
}

output "vpc_id" {
  description = "The VPC: what the check before a destroy looks into."
  value       = module.network.vpc_id
}

output "operator" {
  description = "Where the operator has to be installed for its role to be given to it."
  value = {
    namespace       = var.operator.namespace
    service_account = var.operator.service_account
    role_arn        = module.identity.operator_role_arn
  }
}

output "backup_bucket" {
  description = "Bucket for backups; null when there is none."
  value       = one(module.backup[*].bucket)
}

output "database" {
  description = "The database server and where its master password is kept (not the password); null when there is none."
  value = var.database == null ? null : {
    address           = module.database[0].address
    port              = module.database[0].port
    username          = module.database[0].username
    master_secret_arn = module.database[0].master_secret_arn
  }
}

output "operator_policy" {
  description = "What the operator may do, as JSON."
  value       = module.identity.operator_policy
}

output "drives_policy" {
  description = "What drives' programs may do, as JSON."
  value       = module.identity.drives_policy
}
