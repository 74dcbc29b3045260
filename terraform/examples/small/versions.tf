terraform {
  required_version = ">= 1.10" # the first whose S3 backend locks without a table

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.34.0, < 7.0.0"
    }
  }

  # Bucket and region come from the bootstrap folder: terraform init -backend-config=backend.hcl
  backend "s3" {
    key          = "small.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
}
