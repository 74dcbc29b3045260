output "platform_yaml" {
  description = "The hand-over file: `terraform output -raw platform_yaml > platform.yaml`."
  value       = module.platform.platform_yaml
}

output "storage_class_yaml" {
  description = "The StorageClass: `terraform output -raw storage_class_yaml | kubectl apply -f -`."
  value       = module.platform.storage_class_yaml
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = module.platform.cluster_name
}

output "vpc_id" {
  description = "The VPC."
  value       = module.platform.vpc_id
}

output "operator" {
  description = "Namespace and service account to install the operator with."
  value       = module.platform.operator
}

output "operator_policy" {
  description = "What the operator may do, as JSON."
  value       = module.platform.operator_policy
}

output "drives_policy" {
  description = "What drives' programs may do, as JSON."
  value       = module.platform.drives_policy
}
