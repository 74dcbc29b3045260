output "operator_role_arn" {
  description = "Role of the operator."
  value       = aws_iam_role.operator.arn
}

output "drives_role_arn" {
  description = "Role of drives' programs."
  value       = aws_iam_role.drives.arn
}

output "external_secrets_role_arn" {
  description = "Role of External Secrets; null when there is none."
  value       = one(aws_iam_role.external_secrets[*].arn)
}

output "operator_policy" {
  description = "What the operator may do, as JSON: for whoever reviews it, and for the tests that evaluate it."
  value       = aws_iam_role_policy.operator.policy
}

output "drives_policy" {
  description = "What drives' programs may do, as JSON."
  value       = aws_iam_role_policy.drives.policy
}
