output "name" {
  description = "Name of the cluster. Known once nodes and add-ons are there, so that what needs pods can wait for it."
  value       = aws_eks_cluster.this.name
  depends_on  = [aws_eks_addon.after_nodes]
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_eks_cluster.this.arn
}

output "endpoint" {
  description = "Address of the Kubernetes API."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "Certificate authority of the Kubernetes API, PEM in base64."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "security_group_id" {
  description = "Security group that EKS made for the control plane, nodes and pods: what is to reach a database."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "volume_provisioner" {
  description = "Provisioner that a StorageClass names: Auto Mode's driver has a name of its own."
  value       = local.is_auto ? "ebs.csi.eks.amazonaws.com" : "ebs.csi.aws.com"
}
