output "address" {
  description = "Host name of the server."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the server."
  value       = aws_db_instance.this.port
}

output "username" {
  description = "Name of the master user. It is no superuser: RDS has none."
  value       = aws_db_instance.this.username
}

output "master_secret_arn" {
  description = "Secret in Secrets Manager with the master user's name and password; the password itself is in no state."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
