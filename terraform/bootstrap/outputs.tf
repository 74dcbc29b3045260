output "backend" {
  description = "What the other folders are initialised with: `terraform output -raw backend > ../examples/small/backend.hcl`."
  value       = <<-HCL
    bucket = "${module.state.bucket}"
    region = "${var.region}"
  HCL
}

output "bucket" {
  description = "The state bucket."
  value       = module.state.bucket
}
